"""Tables of any kind with columns of any names read alike, and bad rows are named."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from loaders import blocks, json_files, parquet_files
from loaders.base import SplitRule
from loaders.columns import ColumnMap, parse_columns
from loaders.local import LocalDataLoader
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.tabular import IMPLICIT_RATING, TableDataLoader, inspect_tables
from tests.small_releases import movielens_ratings, write_release, zip_folder

Writer = Callable[[pd.DataFrame, Path], None]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    path.write_text(frame.to_csv(index=False))


def write_semicolons(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep=";", quoting=csv.QUOTE_ALL)


def write_tabs(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep="\t", lineterminator="\r\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path)


def write_array(frame: pd.DataFrame, path: Path) -> None:
    path.write_text(json.dumps(frame.to_dict("records"), indent=1))


def write_lines(frame: pd.DataFrame, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))


def packed(write: Writer) -> Writer:
    def write_packed(frame: pd.DataFrame, path: Path) -> None:
        write(frame, path)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return write_packed


KINDS: dict[str, Writer] = {
    "csv": write_csv,
    "csv with semicolons.csv": write_semicolons,
    "tsv": write_tabs,
    "parquet": write_parquet,
    "json": write_array,
    "jsonl": write_lines,
    "ndjson": write_lines,
    "csv.gz": packed(write_csv),
    "jsonl.gz": packed(write_lines),
    "json.gz": packed(write_array),
}
#: Where the rows of each kind begin, for messages.
FIRST = {"csv": 2, "parquet": 1, "json": 1, "jsonl": 1}


def write(kind: str, frame: pd.DataFrame, folder: Path, stem: str = "ratings") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.{kind.rpartition(' ')[2].removeprefix('semicolons.')}"
    KINDS[kind](frame, path)
    return path


def shop(ratings: pd.DataFrame | None = None) -> pd.DataFrame:
    """The small release's ratings as another shop would write them."""
    ratings = movielens_ratings() if ratings is None else ratings
    return pd.DataFrame(
        {
            "uid": [f"u-{user}" for user in ratings["user_id"]],
            "note": "x, y",
            "ts": pd.to_datetime(ratings["timestamp"], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S"),
            "sku": [f"é{item}" for item in ratings["item_id"]],
            "stars": ratings["rating"],
        }
    )


SHOP = {"user_id": "uid", "item_id": "sku", "rating": "stars", "timestamp": "ts"}


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        TableDataLoader(path, **options).load()
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_cell(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


def many_ratings() -> pd.DataFrame:
    """The small release's ratings by 60 users: one bad row among them is a small share."""
    copies = [movielens_ratings().assign(user_id=lambda frame, n=n: frame["user_id"] + 3 * n) for n in range(20)]
    return pd.concat(copies, ignore_index=True)


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


BAD = [
    ("rating", "many", "rating is 'many'; expected a number"),
    ("rating", None, "rating is {missing}; expected a number"),
    ("rating", 9, "rating is 9.0; expected a number above 0 and up to 5"),
    ("user_id", "x", "user_id is 'x'; expected an integer"),
    ("user_id", 1.5, "user_id is {1.5}; expected an integer"),
    ("timestamp", -4, "timestamp is -4; expected seconds since 1970 (UTC), neither negative nor milliseconds"),
    ("item_id", 1, "user 1 and item 1 again (first on line {first}); expected one rating per user and item"),
]


def test_parquet_says_itself_that_ids_are_text(tmp_path: Path) -> None:
    path = write("parquet", movielens_ratings().astype({"user_id": str}), tmp_path)

    assert TableDataLoader(path).load().ratings["user_id"].tolist()[:3] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("kind", "column", "value", "message"),
    [
        (kind, *bad)
        for kind in ("csv", "parquet", "json", "jsonl")
        for bad in BAD
        if (kind, *bad[:2]) != ("parquet", "user_id", "x")
    ],
)
def test_a_bad_row_is_named_and_can_be_set_aside(
    kind: str, column: str, value: object, message: str, tmp_path: Path
) -> None:
    frame = with_cell(many_ratings(), 2, column, value)
    if kind == "parquet":
        # A column of Parquet has one type: whole numbers with one that is not are floats, and text ids are text.
        frame = frame.astype({column: str if isinstance(value, str) else "float64"})
    path = write(kind, frame, tmp_path)

    found = refusal(path)

    line = 2 + FIRST[kind]
    assert found.startswith(f"{path}:{line}: ")
    expected = message.replace("{first}", str(FIRST[kind]))
    expected = expected.replace("{missing}", "''" if kind == "csv" else "None")
    expected = expected.replace("{1.5}", "'1.5'" if kind == "csv" else "1.5")
    assert expected in found
    loader = TableDataLoader(path, quarantine=tmp_path / "aside.csv")
    assert len(loader.load()) == len(frame) - 1
    with (tmp_path / "aside.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["line"]) for row in rows] == [(str(path), str(line))]
    assert "978300" in rows[0]["text"] or column == "timestamp"


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = write("jsonl", movielens_ratings(), tmp_path)
    lines = path.read_text().splitlines()
    lines[3], lines[5] = '{"user_id": 1,', "[1, 2]"
    path.write_text("\n".join(lines))

    found = [text for problem in inspect_tables(path, ColumnMap()).problems for text in problem.texts()]

    rule = "is no JSON object; expected one JSON object per line, or one array of objects"
    assert found == [f"""{path}:4: '{{"user_id": 1,' {rule}""", f"{path}:6: '[1, 2]' {rule}"]


@pytest.mark.parametrize("text", ["[1, 2", "[{]", "[]", "{}", "", "nonsense"])
def test_json_that_holds_no_table_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.json"
    path.write_text(text)

    assert refusal(path).startswith(str(path))


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = write("parquet", movielens_ratings(), tmp_path)
    path.write_bytes(path.read_bytes()[:-100])

    assert refusal(path).startswith(f"{path}: is no readable Parquet file: truncated, damaged")


def test_a_gzip_that_is_cut_is_named(tmp_path: Path) -> None:
    path = write("csv.gz", movielens_ratings(), tmp_path)
    path.write_bytes(path.read_bytes()[:-20])

    assert refusal(path).startswith(f"{path}: is no complete gzip")


def test_columns_that_are_missing_are_named_with_the_way_to_name_them(tmp_path: Path) -> None:
    path = write("csv", shop(), tmp_path)

    assert refusal(path) == (
        f"{path}:1: its columns are uid, note, ts, sku, stars; expected user_id or userId, item_id or itemId or "
        "movie_id or movieId, timestamp or timestamp_ms or timestamp_us (and rating if known); where they are called "
        "otherwise, map them: columns user_id=…,item_id=…"
    )
    assert "expected uid, nothing, ts (and stars if known)" in refusal(path, columns={**SHOP, "item_id": "nothing"})
    without_time = write("csv", movielens_ratings().drop(columns="timestamp"), tmp_path / "without")
    assert "timestamp or timestamp_ms or timestamp_us" in refusal(without_time)


def test_few_ids_that_are_no_integers_are_bad_rows_and_many_are_text(tmp_path: Path) -> None:
    ratings = many_ratings()
    few = write("csv", with_cell(ratings, len(ratings) - 1, "user_id", "x"), tmp_path / "few")
    many = ratings.astype({"user_id": object})
    many.loc[len(many) // 2 :, "user_id"] = "x" + many["user_id"].astype(str)
    many = write("csv", many, tmp_path / "many")

    assert f"{few}:{len(ratings) + 1}: user_id is 'x'; expected an integer" in refusal(few)
    assert TableDataLoader(many).load().ratings["user_id"].tolist()[0] == "1"


def test_text_ids_that_are_blank_are_bad_rows(tmp_path: Path) -> None:
    path = write("csv", with_cell(shop(), 4, "uid", " "), tmp_path)

    assert refusal(path, columns=SHOP) == f"{path}:6: uid is missing; expected an id"


def test_an_item_that_is_not_listed_is_a_bad_row(tmp_path: Path) -> None:
    path = write("csv", movielens_ratings(), tmp_path)
    items = write("jsonl", pd.DataFrame({"item_id": [1, 5, 7, 8, 9]}), tmp_path, "items")

    assert refusal(tmp_path).startswith(
        f"{path}:7: item 12 is not listed; expected a row for it in {items} (and 2 more"
    )


def test_a_year_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    write("csv", movielens_ratings(), tmp_path)
    items = write("csv", pd.DataFrame({"item_id": [1, 5, 7, 8, 9, 12], "year": "199x"}), tmp_path, "items")

    assert f"{items}:2: year is '199x'; expected four digits, or nothing" in refusal(tmp_path)


def test_other_tables_have_the_ids_of_the_ratings(tmp_path: Path) -> None:
    write("csv", movielens_ratings(), tmp_path)
    items = write("csv", pd.DataFrame({"item_id": ["1", "five"]}), tmp_path, "items")

    assert f"{items}:3: item_id is 'five'; expected an integer" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "ratings.xlsx"])
def test_a_file_of_an_unknown_kind_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("hello")

    assert "is of an unknown kind; expected a name that ends with .csv" in refusal(tmp_path / name)
    assert f"holds {name}; expected ratings.csv, ratings.parquet" in refusal(tmp_path)


def test_two_files_of_ratings_are_not_guessed_at(tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        write(kind, movielens_ratings(), tmp_path)

    assert "holds ratings.csv and ratings.parquet; expected one file of ratings" in refusal(tmp_path)


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
