"""A small ML-1M with the files of the NCF paper, made as its authors made theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

N_USERS, N_ITEMS, N_NEGATIVES = 40, 160, 99


def ratings(seed: int = 0) -> pd.DataFrame:
    """Users like one half of the catalogue; ids are those of ML-1M: users from 1, movies with gaps."""
    rng = np.random.default_rng(seed)
    own_half = (np.arange(N_ITEMS) % 2)[np.newaxis] == (np.arange(N_USERS) % 2)[:, np.newaxis]
    chance = np.where(own_half, 0.35, 0.05) * np.linspace(1.5, 0.5, N_ITEMS)
    user, item = np.nonzero(rng.random((N_USERS, N_ITEMS)) < chance)
    order = rng.permutation(len(user))
    order = order[np.argsort(user[order], kind="stable")]
    return pd.DataFrame(
        {
            "user_id": user[order] + 1,
            "item_id": 10 + 3 * item[order],
            "rating": rng.integers(1, 6, len(user)),
            "timestamp": 978_300_000 + rng.permutation(len(user)),
        }
    )


def write_ncf_release(folder: Path, *, times: bool = True, movies: bool = True) -> Path:
    """Write ratings.dat, movies.dat, users.dat and the three files of the paper.

    Args:
        folder: Is made.
        times: ratings.dat holds timestamps.
        movies: movies.dat and users.dat are there.
    """
    folder.mkdir(parents=True)
    table = ratings()
    columns = ["user_id", "item_id", "rating", *(["timestamp"] if times else [])]
    _write(table[columns], folder / "ratings.dat", "::")
    if movies:
        films = [f"{item}::Film {item} (1990)::{('Drama', 'War')[item % 2]}" for item in sorted(set(table["item_id"]))]
        (folder / "movies.dat").write_text("\n".join(films) + "\n")
        people = "\n".join(f"{user}::F::25::4::12345" for user in sorted(set(table["user_id"])))
        (folder / "users.dat").write_text(people + "\n")
    number = {item: place for place, item in enumerate(table["item_id"].drop_duplicates())}
    numbered = table.assign(user=table["user_id"] - 1, item=table["item_id"].map(number))
    latest = numbered.sort_values("timestamp").groupby("user").tail(1).sort_values("user")
    _write(latest[["user", "item", "rating", "timestamp"]], folder / "ml-1m.test.rating", "\t")
    _write(numbered.drop(latest.index)[["user", "item", "rating", "timestamp"]], folder / "ml-1m.train.rating", "\t")
    rng = np.random.default_rng(1)
    lines = []
    for user, item in zip(latest["user"], latest["item"], strict=True):
        unseen = np.setdiff1d(np.arange(len(number)), numbered.loc[numbered["user"] == user, "item"])
        drawn = rng.choice(unseen, N_NEGATIVES, replace=False)
        lines.append("\t".join([f"({user},{item})", *map(str, drawn)]))
    (folder / "ml-1m.test.negative").write_text("\n".join(lines) + "\n")
    return folder


def _write(table: pd.DataFrame, path: Path, separator: str) -> None:
    path.write_text("\n".join(separator.join(map(str, row)) for row in table.itertuples(index=False)) + "\n")
