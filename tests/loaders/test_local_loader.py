"""Every layout reads alike, however it is packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from loaders.base import SplitRule
from loaders.local import LocalDataLoader, validate
from loaders.members import open_members
from loaders.movielens import read_movielens
from tests.small_releases import MOVIES, PACKINGS, movielens_ratings, write_release, zip_folder

LAST_TWO = SplitRule("leave_last_n", n=2)


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_layout_in_every_packing_gives_the_same_data(packing: str, layout: str, tmp_path: Path) -> None:
    loader = LocalDataLoader(PACKINGS[packing](layout, tmp_path), split=LAST_TWO)

    data = loader.load()

    expected = movielens_ratings()
    pd.testing.assert_frame_equal(data.ratings, expected)
    assert data.items["item_id"].tolist() == [movie for movie, _, _ in MOVIES]
    assert data.items["title"].tolist() == [title.strip() for _, title, _ in MOVIES]
    assert data.items["year"].astype(object).where(data.items["year"].notna(), None).tolist() == [
        1995, 1995, 1996, 1994, None, 1982,
    ]  # fmt: skip
    assert sorted(zip(data.genres["item_id"], data.genres["genre"], strict=True)) == sorted(
        (movie, genre) for movie, _, genres in MOVIES for genre in genres.split("|") if genre
    )
    assert loader.provenance().layout == layout


def test_provenance_hashes_the_ratings_not_the_packing(layout: str, tmp_path: Path) -> None:
    hashes = set()
    for packing, pack in PACKINGS.items():
        source = pack(layout, tmp_path / packing.replace(" ", "_"))
        hashes.add(LocalDataLoader(source, split=LAST_TWO).provenance().sha256)

    assert len(hashes) == 1


def test_all_layouts_of_the_same_ratings_have_one_hash(tmp_path: Path) -> None:
    hashes = {
        LocalDataLoader(write_release(layout, tmp_path / layout), split=LAST_TWO).provenance().sha256
        for layout in ("ml-latest", "ml-100k", "ml-1m")
    }

    assert len(hashes) == 1


def test_another_rating_has_another_hash(latest: Path) -> None:
    before = LocalDataLoader(latest, split=LAST_TWO).provenance().sha256
    ratings = (latest / "ratings.csv").read_text()
    (latest / "ratings.csv").write_text(ratings.replace("978300000", "978300001"))

    assert LocalDataLoader(latest, split=LAST_TWO).provenance().sha256 != before


def test_users_and_tags_are_read_where_a_release_has_them(tmp_path: Path) -> None:
    tags = LocalDataLoader(write_release("ml-latest", tmp_path / "a")).load().tags
    hundred_k = LocalDataLoader(write_release("ml-100k", tmp_path / "b")).load().users
    one_m = LocalDataLoader(write_release("ml-1m", tmp_path / "c")).load().users

    assert tags.to_dict("records") == [{"user_id": 1, "item_id": 5, "tag": "funny, sad", "timestamp": 1_445_714_994}]
    pd.testing.assert_frame_equal(hundred_k.sort_index(axis=1), one_m.sort_index(axis=1))
    assert one_m["age"].tolist() == [1, 56, 25]
    assert one_m["zip"].tolist() == ["48067", "70072", "V0R2M"]


@pytest.mark.parametrize("missing", ["tags.csv", "u.user", "users.dat"])
def test_optional_files_may_be_absent(missing: str, tmp_path: Path) -> None:
    layout = {"tags.csv": "ml-latest", "u.user": "ml-100k", "users.dat": "ml-1m"}[missing]
    folder = write_release(layout, tmp_path / layout)
    (folder / missing).unlink()

    data = LocalDataLoader(folder).load()

    assert len(data.tags) == 0
    assert list(data.tags.columns) == ["user_id", "item_id", "tag", "timestamp"]
    assert list(data.users.columns) == ["user_id"]


def test_columns_may_come_in_another_order_among_others(latest: Path) -> None:
    lines = (latest / "ratings.csv").read_text().split()
    fields = [line.split(",") for line in lines]
    moved = [f"{time},{movie},x,{rating},{user}" for user, movie, rating, time in fields]
    (latest / "ratings.csv").write_text("\n".join(["timestamp,movieId,note,rating,userId", *moved[1:]]))

    pd.testing.assert_frame_equal(LocalDataLoader(latest).load().ratings, movielens_ratings())


def test_a_byte_order_mark_and_blank_lines_at_the_end_do_no_harm(latest: Path) -> None:
    ratings = (latest / "ratings.csv").read_bytes()
    (latest / "ratings.csv").write_bytes(b"\xef\xbb\xbf" + ratings + b"\r\n\r\n")

    pd.testing.assert_frame_equal(LocalDataLoader(latest).load().ratings, movielens_ratings())
    assert validate(latest) == []


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Toy Story (1995)  ", 1995),
        ("Death Note (2006–2007)", 2006),
        ("Fargo ( 1996 )", 1996),
        ("Cosmos (2014-)", 2014),
        ("The Land Before Time III (1995) (V)", 1995),
        ("2001: A Space Odyssey (1968)", 1968),
        ("Nineteen Eighty-Four (1984) again", None),
        ("Blade Runner 2049", None),
        ("(500) Days of Summer (2009)", 2009),
    ],
)
def test_the_year_is_what_the_title_ends_with(title: str, year: int | None, latest: Path) -> None:
    (latest / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f'{movie},"{title}",Drama\n' for movie, _, _ in MOVIES)
    )

    found = LocalDataLoader(latest).load().items["year"].iloc[0]

    assert found == year if year is not None else pd.isna(found)


def test_train_and_test_divide_the_ratings(release: Path) -> None:
    loader = LocalDataLoader(release, split=LAST_TWO)
    everything, train, test = loader.load().ratings, loader.train().ratings, loader.test().ratings

    assert len(train) + len(test) == len(everything)
    assert test.groupby("user_id").size().tolist() == [2, 2, 2]
    assert (train.groupby("user_id")["timestamp"].max() <= test.groupby("user_id")["timestamp"].min()).all()
    assert loader.train().items.equals(loader.test().items)


def test_the_source_is_read_once(release: Path) -> None:
    loader = LocalDataLoader(release, split=LAST_TWO)

    assert loader.load() is loader.load()
    assert loader.split_rows() is loader.split_rows()


def test_a_split_that_leaves_nothing_says_so(release: Path) -> None:
    with pytest.raises(DataError, match=r"leave_last_n\(n=10\) leaves no test rows of 18 ratings; .* more than 10"):
        LocalDataLoader(release, split=SplitRule("leave_last_n", n=10)).train()


def test_unknown_files_are_listed_with_the_layouts_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,3,1\n")
    (tmp_path / "notes.txt").write_text("")

    with pytest.raises(DataError) as caught:
        LocalDataLoader(tmp_path).load()

    assert str(caught.value) == (
        f"{tmp_path}: holds notes.txt, ratings.csv; expected a MovieLens layout: "
        "ratings.csv and movies.csv (ml-latest, ml-latest-small, ml-20m, ml-25m, ml-32m); "
        "u.data and u.item (ml-100k); ratings.dat and movies.dat and tags.dat (ml-10m); "
        "ratings.dat and movies.dat (ml-1m)"
    )


def test_two_releases_in_one_folder_are_not_guessed_at(tmp_path: Path) -> None:
    write_release("ml-100k", tmp_path / "a")
    write_release("ml-1m", tmp_path / "b")

    with pytest.raises(DataError, match=r"holds 2 data sets \(ml-100k in a/, ml-1m in b/\); expected one"):
        LocalDataLoader(tmp_path).load()


@pytest.mark.parametrize("n_users", [60_000, pytest.param(400_000, marks=pytest.mark.long)])
def test_a_large_file_is_parsed_in_blocks_without_losing_order_or_lines(n_users: int, tmp_path: Path) -> None:
    folder = write_release("ml-1m", tmp_path / "ml-1m")
    user = np.repeat(np.arange(1, n_users + 1), 2)
    movie = np.tile([1, 5], n_users)
    lines = [f"{u}::{m}::{u % 5 + 1}::{u}" for u, m in zip(user.tolist(), movie.tolist(), strict=True)]
    (folder / "ratings.dat").write_text("\n".join(lines))

    ratings = LocalDataLoader(folder).load().ratings

    np.testing.assert_array_equal(ratings["user_id"], user)
    np.testing.assert_array_equal(ratings["timestamp"], user)

    lines[len(lines) - 7] = "odd"
    lines[len(lines) - 3] = "1::2::three::4"
    (folder / "ratings.dat").write_text("\n".join(lines))
    assert [problem.lines.tolist() for problem in validate(folder)] == [[len(lines) - 6], [len(lines) - 2]]


@pytest.mark.real_data
def test_ml_latest_small_is_sound_and_complete(movielens: Path) -> None:
    loader = LocalDataLoader(movielens, split=SplitRule("leave_last_n", n=10))
    data = loader.load()

    assert (len(data), len(data.user_index()), len(data.item_index()), len(data.items)) == (100_836, 610, 9_724, 9_742)
    assert len(data.tags) == 3_683
    assert data.items["year"].isna().sum() == 12
    assert data.genres["genre"].nunique() == 19
    assert data.ratings["rating"].mean() == pytest.approx(3.50156, abs=1e-5)
    assert (len(loader.train()), len(loader.test())) == (94_736, 6_100)
    assert validate(movielens) == []


@pytest.mark.real_data
def test_ml_latest_small_unpacked_has_the_hash_of_its_zip(movielens: Path, tmp_path: Path) -> None:
    members = open_members(movielens)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name in ("ratings.csv", "movies.csv"):
        (folder / name).write_bytes(members.read(next(one for one in members.names if one.endswith(name))))

    packed = LocalDataLoader(zip_folder(folder, tmp_path / "again.zip"))

    assert packed.provenance().sha256 == LocalDataLoader(movielens).provenance().sha256
    assert len(read_movielens(open_members(folder)).problems) == 0
