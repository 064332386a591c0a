"""A small release in each MovieLens layout, as folder and as zip."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from loaders.layouts import ML_100K_GENRES

MOVIES = [
    (1, "Toy Story (1995)", "Adventure|Animation|Comedy"),
    (5, "American President, The (1995)", "Comedy|Drama|Romance"),
    (7, "Mission: Impossible (1996)", "Action"),
    (8, "Léon: The Professional (1994) ", "Action|Drama"),
    (9, "Babylon 5", ""),
    (12, 'Some "Kind" of Hero (1982)', "Comedy"),
]
USERS = [(1, "F", 1, "student", "48067"), (2, "M", 56, "writer", "70072"), (3, "M", 25, "other", "V0R2M")]
LAYOUT_NAMES = ["ml-latest", "ml-100k", "ml-1m", "ml-10m"]


def movielens_ratings() -> pd.DataFrame:
    """Three users rate every movie, at times that are not in file order."""
    rng = np.random.default_rng(7)
    user, movie = np.meshgrid([1, 2, 3], [movie for movie, _, _ in MOVIES], indexing="ij")
    return pd.DataFrame(
        {
            "user_id": user.ravel(),
            "item_id": movie.ravel(),
            "rating": rng.integers(1, 6, user.size).astype(np.float32),
            "timestamp": rng.permutation(978_300_000 + 10 * np.arange(user.size)),
        }
    )


def _lines(rows: list[tuple[object, ...]], separator: str) -> str:
    return "".join(separator.join(str(value) for value in row) + "\n" for row in rows)


def write_release(layout: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ratings = movielens_ratings()
    rows = list(ratings.astype({"rating": int}).itertuples(index=False, name=None))
    if layout == "ml-latest":
        movies = pd.DataFrame(MOVIES, columns=["movieId", "title", "genres"]).replace(
            {"genres": {"": "(no genres listed)"}}
        )
        ratings.set_axis(["userId", "movieId", "rating", "timestamp"], axis=1).to_csv(
            folder / "ratings.csv", index=False, lineterminator="\r\n"
        )
        movies.to_csv(folder / "movies.csv", index=False)
        (folder / "tags.csv").write_text('userId,movieId,tag,timestamp\n1,5,"funny, sad",1445714994\n')
    elif layout == "ml-100k":
        items = [
            (
                movie,
                title,
                "01-Jan-1995",
                "",
                "http://example.org",
                *(int(genre in genres.split("|")) for genre in ML_100K_GENRES),
            )
            for movie, title, genres in MOVIES
        ]
        (folder / "u.data").write_text(_lines(rows, "\t"))
        (folder / "u.item").write_text(_lines(items, "|"), encoding="latin-1")
        users = [(user, age, gender, work, code) for user, gender, age, work, code in USERS]
        (folder / "u.user").write_text(_lines(users, "|"))
    elif layout == "ml-10m":
        (folder / "ratings.dat").write_text(_lines(rows, "::"))
        (folder / "movies.dat").write_text(_lines(MOVIES, "::"), encoding="utf-8")
        (folder / "tags.dat").write_text("1::5::funny, sad::1445714994\n")
    else:
        (folder / "ratings.dat").write_text(_lines(rows, "::"))
        (folder / "movies.dat").write_text(_lines(MOVIES, "::"), encoding="latin-1")
        (folder / "users.dat").write_text(_lines(USERS, "::"))
    return folder


def zip_folder(folder: Path, target: Path, top: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if top:
            archive.writestr(f"{top}/", "")
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}/{file.name}" if top else file.name)
        archive.writestr("__MACOSX/._ratings.csv", b"\0")
    return target


def _as_folder(layout: str, base: Path) -> Path:
    return write_release(layout, base / layout)


def _as_nested_folder(layout: str, base: Path) -> Path:
    return write_release(layout, base / "outer" / layout).parent


def _as_zip(layout: str, base: Path) -> Path:
    return zip_folder(_as_folder(layout, base), base / f"{layout}.zip")


def _as_nested_zip(layout: str, base: Path) -> Path:
    return zip_folder(_as_folder(layout, base), base / f"{layout}.zip", top=layout)


PACKINGS: dict[str, Callable[[str, Path], Path]] = {
    "folder": _as_folder,
    "folder in a folder": _as_nested_folder,
    "zip": _as_zip,
    "zip with a top folder": _as_nested_zip,
}
