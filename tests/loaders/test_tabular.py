"""Tables of any kind with columns of any names read alike."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError
from loaders import blocks, json_files, parquet_files
from loaders.base import SplitRule
from loaders.columns import ColumnMap, parse_columns
from loaders.local import LocalDataLoader
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.tabular import IMPLICIT_RATING, TableDataLoader
from tests.small_releases import movielens_ratings, write_release, zip_folder
from tests.written_tables import FIRST, KINDS, SHOP, refusal, shop, with_cell, write


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_ratings(kind: str, tmp_path: Path) -> None:
    path = write(kind, movielens_ratings(), tmp_path / "data")

    for given in (path, path.parent):
        data = TableDataLoader(given).load()
        pd.testing.assert_frame_equal(data.ratings, movielens_ratings())
    assert data.items["title"].tolist() == ["1", "5", "7", "8", "9", "12"]
    assert data.items["year"].isna().all()
    assert (len(data.genres), len(data.tags), len(data.users)) == (0, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_other_names_text_ids_and_dates_are_understood(kind: str, tmp_path: Path) -> None:
    path = write(kind, shop(), tmp_path)

    data = TableDataLoader(path, columns=SHOP).load()

    expected = movielens_ratings()
    assert data.ratings["user_id"].tolist() == [f"u-{user}" for user in expected["user_id"]]
    assert data.ratings["item_id"].tolist() == [f"é{item}" for item in expected["item_id"]]
    np.testing.assert_array_equal(data.ratings["timestamp"], expected["timestamp"])
    np.testing.assert_array_equal(data.ratings["rating"], expected["rating"])
    assert data.items["item_id"].tolist() == sorted({f"é{item}" for item in expected["item_id"]})


def test_text_ids_go_all_the_way_to_a_prepared_data_set(tmp_path: Path) -> None:
    path = write("csv", shop(), tmp_path)
    loader = TableDataLoader(path, columns=SHOP, split=SplitRule("leave_last_n", n=2))

    write_prepared(loader, tmp_path / "prepared")

    prepared = PreparedDataLoader(tmp_path / "prepared")
    assert prepared.load().ratings["user_id"].tolist() == loader.load().ratings["user_id"].tolist()
    assert prepared.provenance().layout == "table"
    assert (len(prepared.train()), len(prepared.test())) == (12, 6)


def test_movielens_own_names_are_recognised(latest: Path) -> None:
    data = TableDataLoader(latest).load()

    pd.testing.assert_frame_equal(data.ratings, movielens_ratings())
    assert data.items["title"].tolist()[0] == "Toy Story (1995)"
    assert data.items["year"].tolist()[0] == 1995
    assert data.genres["genre"].nunique() == 6
    assert data.tags.to_dict("records") == [
        {"user_id": 1, "item_id": 5, "tag": "funny, sad", "timestamp": 1_445_714_994}
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl"])
def test_items_tags_and_users_are_read_where_there_are_some(kind: str, tmp_path: Path) -> None:
    genres = ["Drama|War", "", "War", "Drama", "Drama", "War"]
    items = pd.DataFrame(
        {
            "item_id": [1, 5, 7, 8, 9, 12],
            "title": ["a", "b", "c (1990)", "d", "e", "f"],
            "year": ["1990", "", "2001", "", "", "2010"],
            "genres": genres if kind == "csv" else [names.split("|") if names else [] for names in genres],
        }
    )
    write(kind, movielens_ratings(), tmp_path)
    write(kind, items, tmp_path, "items")
    write(kind, pd.DataFrame({"user_id": [1, 2, 3], "age": [20, 30, 40], "mood": "good"}), tmp_path, "users")
    tags = pd.DataFrame({"user_id": [1], "item_id": [5], "tag": ["slow"], "timestamp": [978_300_000]})
    write(kind, tags, tmp_path, "tags")

    data = TableDataLoader(tmp_path).load()

    assert data.items["title"].tolist() == items["title"].tolist()
    assert data.items["year"].astype(object).where(data.items["year"].notna(), None).tolist() == [
        1990, None, 2001, None, None, 2010,
    ]  # fmt: skip
    assert list(zip(data.genres["item_id"], data.genres["genre"], strict=True)) == [
        (1, "Drama"), (1, "War"), (7, "War"), (8, "Drama"), (9, "Drama"), (12, "War"),
    ]  # fmt: skip
    assert data.users.to_dict("list") == {"user_id": [1, 2, 3], "age": [20, 30, 40]}
    assert data.tags.to_dict("records") == tags.to_dict("records")


def test_a_zip_of_tables_is_read(tmp_path: Path) -> None:
    write("csv", movielens_ratings(), tmp_path / "data")
    write("parquet", pd.DataFrame({"item_id": [1, 5, 7, 8, 9, 12]}), tmp_path / "data", "items")

    data = TableDataLoader(zip_folder(tmp_path / "data", tmp_path / "data.zip", top="data")).load()

    assert (len(data), data.items["title"].tolist()) == (18, ["1", "5", "7", "8", "9", "12"])


def test_without_a_rating_every_row_counts_as_liked(tmp_path: Path) -> None:
    path = write("csv", movielens_ratings().drop(columns="rating"), tmp_path)

    ratings = TableDataLoader(path).load().ratings

    assert list(ratings.columns) == ["user_id", "item_id", "rating", "timestamp"]
    assert set(ratings["rating"]) == {IMPLICIT_RATING}
    assert ratings["rating"].dtype == "float32"


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl"])
@pytest.mark.parametrize(("name", "factor"), [("timestamp_ms", 1_000), ("timestamp_us", 1_000_000)])
def test_milliseconds_and_microseconds_are_understood_by_name(
    name: str, factor: int, kind: str, tmp_path: Path
) -> None:
    ratings = movielens_ratings()
    ratings["ts"] = ratings.pop("timestamp") * factor + 7
    by_mapping = TableDataLoader(write(kind, ratings, tmp_path / "a"), columns={name: "ts"})
    by_name = TableDataLoader(write(kind, ratings.rename(columns={"ts": name}), tmp_path / "b"))

    for loader in (by_mapping, by_name):
        np.testing.assert_array_equal(loader.load().ratings["timestamp"], movielens_ratings()["timestamp"])


def test_numbers_too_large_for_seconds_are_not_guessed_at(tmp_path: Path) -> None:
    ratings = movielens_ratings()
    ratings["timestamp"] *= 1000
    path = write("csv", ratings, tmp_path)

    assert refusal(path) == (
        f"{path}:2: timestamp is {ratings['timestamp'][0]}, too large for seconds since 1970, as most of its numbers "
        "are; expected seconds, or to be told what they are: map the column to timestamp_ms (milliseconds) or "
        "timestamp_us (microseconds), e.g. columns timestamp_ms=timestamp"
    )


@pytest.mark.parametrize(
    "moment",
    ["2019-07-04T12:30:00Z", "2019-07-04 12:30:00", "2019-07-04T14:30:00+02:00", "2019-07-04T12:30:00.9"],
)
def test_a_moment_is_utc_unless_it_says_otherwise(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(f"user_id,item_id,rating,timestamp\n1,2,3,{moment}\n")

    assert TableDataLoader(path).load().ratings["timestamp"].tolist() == [1_562_243_400]


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2019-07-04T12:30:00"]),
        pd.to_datetime(["2019-07-04T12:30:00"]).tz_localize("UTC"),
        pd.to_datetime(["2019-07-04T14:30:00"]).tz_localize("Europe/Berlin"),
        pd.to_datetime(["2019-07-04T12:30:00"]).astype("datetime64[ms]"),
    ],
)
def test_times_of_parquet_are_understood(values: pd.DatetimeIndex, tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": [1], "item_id": [2], "rating": [3.0], "timestamp": values})

    assert TableDataLoader(write("parquet", frame, tmp_path)).load().ratings["timestamp"].tolist() == [1_562_243_400]


def test_parquet_says_itself_that_ids_are_text(tmp_path: Path) -> None:
    path = write("parquet", movielens_ratings().astype({"user_id": str}), tmp_path)

    assert TableDataLoader(path).load().ratings["user_id"].tolist()[:3] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": "uid"}, "columns names user; allowed: user_id, item_id, rating, timestamp"),
        ({"user_id": ""}, "columns gives user_id no column of the file"),
        ({"user_id": "id", "item_id": "id"}, "columns maps id more than once"),
        ({"timestamp": "a", "timestamp_ms": "b"}, "columns maps timestamp and timestamp_ms; a rating has one time"),
    ],
)
def test_a_mapping_that_is_impossible_is_refused(columns: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ColumnMap(columns)


@pytest.mark.parametrize("text", ["user_id", "user_id=a,user_id=b", "=a"])
def test_columns_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form user_id=uid"):
        parse_columns(text)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("at_once", [3, 7, 1000])
def test_files_read_in_parts_are_as_files_read_whole(
    kind: str, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = with_cell(with_cell(movielens_ratings(), 9, "rating", 7.0), 14, "rating", 8.0).astype({"rating": "float64"})
    path = write(kind, frame, tmp_path)
    for module in (blocks, json_files):
        monkeypatch.setattr(module, "BLOCK", 20 * at_once)
    monkeypatch.setattr(parquet_files, "_ROWS", at_once)

    loader = TableDataLoader(path, quarantine=tmp_path / "aside.csv")

    good = frame.drop(index=[9, 14]).reset_index(drop=True)
    pd.testing.assert_frame_equal(loader.load().ratings, good.astype({"rating": "float32"}))
    (problem,) = loader.problems
    assert problem.lines.tolist() == [9 + FIRST[kind], 14 + FIRST[kind]]
    with (tmp_path / "aside.csv").open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert [str(frame["timestamp"][row]) in text for row, text in zip([9, 14], texts, strict=True)] == [True, True]


@pytest.mark.real_data
def test_ml_latest_small_as_a_table_is_what_it_is_as_a_release(movielens: Path) -> None:
    table, release = TableDataLoader(movielens), LocalDataLoader(movielens)

    assert table.provenance().sha256 == release.provenance().sha256
    for name in ("items", "genres", "tags"):
        pd.testing.assert_frame_equal(getattr(table.load(), name), getattr(release.load(), name))


def test_the_real_layout_and_the_table_have_one_hash(tmp_path: Path) -> None:
    folder = write_release("ml-latest", tmp_path / "ml")

    assert TableDataLoader(folder).provenance().sha256 == (
        TableDataLoader(write("jsonl", movielens_ratings(), tmp_path / "j")).provenance().sha256
    )
