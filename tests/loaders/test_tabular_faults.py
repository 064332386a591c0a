"""What is wrong with a table is named, with its line, and loses nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet as pq

from loaders import blocks
from loaders.columns import ColumnMap
from loaders.schemas import conforming
from loaders.tabular import TableDataLoader, inspect_tables
from tests.small_releases import movielens_ratings
from tests.written_tables import FIRST, SHOP, many_ratings, refusal, shop, with_cell, write

BAD = [
    ("rating", "many", "rating is 'many'; expected a number"),
    ("rating", None, "rating is {missing}; expected a number"),
    ("rating", 9, "rating is 9.0; expected a number above 0 and up to 5"),
    ("user_id", "x", "user_id is 'x'; expected an integer"),
    ("user_id", 1.5, "user_id is {1.5}; expected an integer"),
    ("timestamp", -4, "timestamp is -4; expected seconds since 1970 (UTC), neither negative nor milliseconds"),
    ("item_id", 1, "user 1 and item 1 again (first on line {first}); expected one rating per user and item"),
]


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


REVIEWED = "user_id,item_id,rating,timestamp,review\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [2**25, 64])
def test_lines_are_counted_over_values_of_several_lines(
    ending: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not read may hold line breaks, commas and quotes; the rows after it keep their line numbers."""
    monkeypatch.setattr(blocks, "BLOCK", block)
    text = REVIEWED + '1,10,4,100,"a\nb, ""c""\n\nd"\n2,11,3,200,ok\n2,12,99,200,high\n2,13,x,200,text\n1,2,3\n\n\n'
    path = tmp_path / "ratings.csv"
    path.write_text(text.replace("\n", ending), newline="")

    reading = inspect_tables(path, ColumnMap(), drop=True)

    assert reading.interactions.ratings["item_id"].tolist() == [10, 11]
    assert {problem.kind: problem.lines.tolist() for problem in reading.problems} == {
        "out_of_range": [7],
        "not_a_number": [8],
        "column_count": [9],
    }


def test_values_of_several_lines_may_lie_anywhere_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    rows = (f'{user},1,4,100,"a review of {user},\n{"long " * 40}"\n' for user in range(8_000))
    path.write_text(REVIEWED + "".join(rows))

    assert len(TableDataLoader(path).load()) == 8_000


def test_a_quote_that_is_never_closed_loses_no_rows_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(REVIEWED + '1,10,4,100,"a\nb"\n2,11,3,200,"never closed\n2,12,3,200,ok\n')

    assert refusal(path) == f"{path}:4: a quote opens and its value goes on over the next line; expected " + (
        "every quote closed on its line"
    )


def test_a_quote_inside_a_value_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(REVIEWED + '1,10,4,100,5" disk\n2,11,3,200,ok\n2,12,9,200,ok\n2,13,4,200,3" disk\n')

    assert refusal(path).startswith(f"{path}:4: rating is 9")


def test_ids_of_19_digits_stay_numbers_beside_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    ids = [2**63 - 1, 2**63, *range(2**60, 2**60 + 60)]
    rows = "".join(f"{user},1,4,100\n" for user in ids)
    path.write_text(f"user_id,item_id,rating,timestamp\n{rows}1,2,x,100\n")

    reading = inspect_tables(path, ColumnMap(), drop=True)

    assert reading.interactions.ratings["user_id"].tolist() == [user for user in ids if user != 2**63]
    assert {problem.kind: problem.lines.tolist() for problem in reading.problems} == {
        "not_an_integer": [3],
        "not_a_number": [64],
    }


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_is_there_twice_is_not_guessed_at(kind: str, tmp_path: Path) -> None:
    frame = movielens_ratings()
    path = tmp_path / f"ratings.{kind}"
    twice = pa.Table.from_pandas(frame).append_column("user_id", pa.array(frame["user_id"]))
    if kind == "csv":
        arrow_csv.write_csv(twice, path)
    else:
        pq.write_table(twice, path)

    assert refusal(path).startswith(f"{path}:1: has more than one column user_id; expected each column")


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "jsonl"])
def test_a_user_may_have_no_age(kind: str, tmp_path: Path) -> None:
    write(kind, movielens_ratings(), tmp_path)
    ages = pd.Series([20, None, 40.0], dtype=object)
    write(kind, pd.DataFrame({"user_id": [1, 2, 3], "age": ages}), tmp_path, "users")

    data = TableDataLoader(tmp_path).load()

    np.testing.assert_array_equal(data.users["age"], [20, np.nan, 40])
    assert conforming(data, "here") is data


def test_an_age_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    write("csv", movielens_ratings(), tmp_path)
    write("csv", pd.DataFrame({"user_id": [1, 2, 3], "age": ["20", "old", "inf"]}), tmp_path, "users")

    assert "users.csv:3: age is 'old'; expected a number of years, or nothing" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_genres_that_are_objects_are_named_and_missing_ones_left_out(kind: str, tmp_path: Path) -> None:
    write(kind, movielens_ratings(), tmp_path)
    items = pd.DataFrame({"item_id": [1, 5, 7, 8, 9, 12], "genres": [["Drama", None]] * 6})
    write(kind, items, tmp_path, "items")
    assert set(TableDataLoader(tmp_path).load().genres["genre"]) == {"Drama"}

    write(kind, items.assign(genres=[[{"id": 18, "name": "Drama"}]] * 6), tmp_path, "items")
    assert "genres is [{'id': 18, 'name': 'Drama'}]; expected text, or a list of texts" in refusal(tmp_path)


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


def test_json_with_what_json_does_not_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.json"
    path.write_text('[{"user_id": 1, "item_id": 2, "rating": NaN, "timestamp": 5}]')

    assert "is no JSON (" in refusal(path)
    assert "line 1 column 41" in refusal(path)


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
        "otherwise, map them: --columns user_id=… of `screentest data check`, elsewhere "
        """SCREENTEST_DATA_COLUMNS='{"user_id": "…"}'"""
    )
    assert "expected uid, nothing, ts (and stars if known)" in refusal(path, columns={**SHOP, "item_id": "nothing"})
    without_time = write("csv", movielens_ratings().drop(columns="timestamp"), tmp_path / "without")
    assert ":1: its columns are user_id, item_id, rating: timestamp is missing; expected " in refusal(without_time)


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
