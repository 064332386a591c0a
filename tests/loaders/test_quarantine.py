"""Bad lines set aside: none is lost, none is used."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from loaders.lines import line_texts
from loaders.local import LocalDataLoader


def quarantined(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def replace_line(file: Path, number: int, text: bytes) -> None:
    lines = file.read_bytes().replace(b"\r\n", b"\n").split(b"\n")
    lines[number - 1] = text
    file.write_bytes(b"\n".join(lines))


def test_bad_lines_go_to_the_file_and_the_others_are_used(latest: Path, tmp_path: Path) -> None:
    replace_line(latest / "ratings.csv", 4, b"1,7,9,-3")
    replace_line(latest / "ratings.csv", 6, b"1,9,many,978300000")
    replace_line(latest / "ratings.csv", 7, b"1,5,3,978300000")
    aside = tmp_path / "new" / "bad.csv"

    loader = LocalDataLoader(latest, quarantine=aside)
    data = loader.load()

    ratings = f"{latest}/ratings.csv"
    assert quarantined(aside) == [
        ["file", "line", "reason", "text"],
        [
            ratings,
            "4",
            "rating is 9.0; expected a number above 0 and up to 5; "
            "timestamp is -3; expected seconds since 1970 (UTC), neither negative nor milliseconds",
            "1,7,9,-3",
        ],
        [ratings, "6", "rating is 'many'; expected a number", "1,9,many,978300000"],
        [
            ratings,
            "7",
            "user 1 and movie 5 again (first on line 3); expected one rating per user and movie",
            "1,5,3,978300000",
        ],
    ]
    assert len(data) == 15
    assert data.ratings.index.tolist() == list(range(15))
    assert loader.n_quarantined == 3
    assert sum(problem.count for problem in loader.problems) == 4


def test_ratings_of_a_movie_set_aside_are_set_aside(latest: Path, tmp_path: Path) -> None:
    replace_line(latest / "movies.csv", 4, b"7,Am\xe9lie (2001),Drama")

    loader = LocalDataLoader(latest, quarantine=tmp_path / "bad.csv")
    data = loader.load()

    rows = quarantined(tmp_path / "bad.csv")[1:]
    assert [(Path(row[0]).name, row[1]) for row in rows] == [
        ("ratings.csv", "4"),
        ("ratings.csv", "10"),
        ("ratings.csv", "16"),
        ("movies.csv", "4"),
    ]
    assert rows[3][3] == "7,Am\\xe9lie (2001),Drama"
    assert 7 not in data.ratings["item_id"].tolist()
    assert set(data.ratings["item_id"]) <= set(data.items["item_id"])


def test_good_lines_and_lines_set_aside_are_all_lines(latest: Path, tmp_path: Path) -> None:
    for number in (3, 8, 13):
        replace_line(latest / "ratings.csv", number, b"broken")

    loader = LocalDataLoader(latest, quarantine=tmp_path / "bad.csv")

    assert len(loader.load()) + loader.n_quarantined == 18


def test_sound_data_leave_a_header_alone(latest: Path, tmp_path: Path) -> None:
    LocalDataLoader(latest, quarantine=tmp_path / "bad.csv").load()

    assert quarantined(tmp_path / "bad.csv") == [["file", "line", "reason", "text"]]


def test_wrong_columns_cannot_be_set_aside(latest: Path, tmp_path: Path) -> None:
    replace_line(latest / "ratings.csv", 1, b"a,b,c,d")

    with pytest.raises(DataError, match="the header is 'a,b,c,d'"):
        LocalDataLoader(latest, quarantine=tmp_path / "bad.csv").load()


def test_nothing_left_is_refused(latest: Path, tmp_path: Path) -> None:
    (latest / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,9,1\n1,5,9,1\n")

    with pytest.raises(DataError, match="no rating is left after the bad lines were set aside"):
        LocalDataLoader(latest, quarantine=tmp_path / "bad.csv").load()


def test_a_quarantine_that_cannot_be_written_is_named(latest: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"quarantine .* cannot be written \(Is a directory\)"):
        LocalDataLoader(latest, quarantine=tmp_path).load()


def test_a_file_with_an_open_quote_cannot_be_used_for_the_rest(latest: Path, tmp_path: Path) -> None:
    replace_line(latest / "movies.csv", 4, b'7,"Mission: Impossible (1996),Action')

    with pytest.raises(DataError, match=r"movies.csv:4: a quote opens"):
        LocalDataLoader(latest, quarantine=tmp_path / "bad.csv").load()
    assert quarantined(tmp_path / "bad.csv") == [["file", "line", "reason", "text"]]


@pytest.mark.parametrize("lines", [b"one\ntwo\nthree", b"one\r\ntwo\r\nthree\r\n", b"one\rtwo\rthree\n"])
def test_the_text_of_a_line_ends_where_its_line_does(lines: bytes) -> None:
    assert line_texts(lines, np.array([2, 3])) == ["two", "three"]
