"""Each kind of bad input is one line with file, line and expectation."""

from __future__ import annotations

import doctest
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import DataError
from loaders import problems
from loaders.local import LocalDataLoader, inspect, validate
from loaders.members import FileMembers, open_members
from tests.small_releases import write_release, zip_folder

Spoil = Callable[[list[bytes]], list[bytes]]


def spoil(file: Path, how: Spoil) -> None:
    """Change a file's lines; the first is ``lines[0]``, which messages call line 1."""
    file.write_bytes(b"\n".join(how(file.read_bytes().replace(b"\r\n", b"\n").split(b"\n"))))


def line(number: int, text: bytes) -> Spoil:
    return lambda lines: [*lines[: number - 1], text, *lines[number:]]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        LocalDataLoader(path).load()
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


RATINGS = "4 columns separated by commas: userId, movieId, rating, timestamp"
BAD_LINES = [
    ("ratings.csv", 4, b"1,7,abc,978300000", "not_a_number", "rating is 'abc'; expected a number"),
    ("ratings.csv", 4, b"1,7,,978300000", "not_a_number", "rating is ''; expected a number"),
    ("ratings.csv", 4, b"1,7,nan,978300000", "out_of_range", "rating is nan; expected a number above 0 and up to 5"),
    ("ratings.csv", 4, b"1,7,5.5,978300000", "out_of_range", "rating is 5.5; expected a number above 0 and up to 5"),
    ("ratings.csv", 4, b"1,7,0,978300000", "out_of_range", "rating is 0.0; expected a number above 0 and up to 5"),
    ("ratings.csv", 4, b"1,7,-1,978300000", "out_of_range", "rating is -1.0; expected a number above 0 and up to 5"),
    ("ratings.csv", 4, b"x,7,4,978300000", "not_an_integer", "userId is 'x'; expected an integer"),
    ("ratings.csv", 4, b"1,7.5,4,978300000", "not_an_integer", "movieId is '7.5'; expected an integer"),
    ("ratings.csv", 4, b"1,12345678901234567890,4,978300000", "not_an_integer", "movieId is '12345678901234567890'"),
    ("ratings.csv", 4, b"1,7,4,-1", "bad_timestamp", "timestamp is -1; expected seconds since 1970 (UTC)"),
    ("ratings.csv", 4, b"1,7,4,978300000000", "bad_timestamp", "timestamp is 978300000000; expected seconds since"),
    ("ratings.csv", 4, b"1,7,4,soon", "not_an_integer", "timestamp is 'soon'; expected an integer"),
    ("ratings.csv", 4, b"1,7,4", "column_count", f"'1,7,4' has 3 values; expected {RATINGS}"),
    ("ratings.csv", 4, b"1,7,4,978300000,9", "column_count", f"'1,7,4,978300000,9' has 5 values; expected {RATINGS}"),
    ("ratings.csv", 4, b"", "blank_line", f"the line is blank; expected {RATINGS}"),
    ("ratings.csv", 4, b"\xe9,\xff,\xfe", "column_count", "has 3 values; expected"),
    (
        "ratings.csv",
        4,
        b"1,5,4,978300000",
        "duplicate",
        "user 1 and movie 5 again (first on line 3); expected one rating",
    ),
    ("ratings.csv", 4, b"1,99,4,978300000", "unknown_item", "movie 99 is not listed; expected a row for it in"),
    ("movies.csv", 4, b"7,Am\xe9lie (2001),Drama", "not_utf8", "title is not UTF-8: Am\\xe9lie (2001); expected UTF-8"),
    ("movies.csv", 4, b"seven,Amelie (2001),Drama", "not_an_integer", "movieId is 'seven'; expected an integer"),
    ("movies.csv", 4, b"7,Amelie (2001), Drama, Comedy", "column_count", "has 4 values; expected 3 columns"),
    (
        "movies.csv",
        4,
        b"1,Amelie (2001),Drama",
        "duplicate",
        "movie 1 again (first on line 2); expected one row per movie",
    ),
    ("tags.csv", 2, b"1,5,funny,never", "not_an_integer", "timestamp is 'never'; expected an integer"),
    ("tags.csv", 2, b"1,5,funny,-5", "bad_timestamp", "timestamp is -5; expected seconds since 1970"),
]


@pytest.mark.parametrize(("file", "number", "text", "kind", "message"), BAD_LINES)
def test_a_bad_line_is_named(file: str, number: int, text: bytes, kind: str, message: str, latest: Path) -> None:
    spoil(latest / file, line(number, text))

    assert refusal(latest).startswith(f"{latest}/{file}:{number}: ")
    assert message in refusal(latest)
    problems = validate(latest)
    assert [problem.kind for problem in problems] == [kind]
    assert problems[0].lines.tolist() == [number]


def test_bad_lines_of_the_other_layouts_are_named(tmp_path: Path) -> None:
    hundred_k = write_release("ml-100k", tmp_path / "100k")
    spoil(hundred_k / "u.data", line(3, b"1\t7\tfour\t978300000"))
    spoil(hundred_k / "u.item", lambda lines: [lines[0].replace(b"|1|", b"|2|", 1), *lines[1:]])
    spoil(hundred_k / "u.user", line(2, b"1|56|M|writer|70072"))
    spoil(hundred_k / "u.user", line(3, b"3|400|M|writer|70072"))
    one_m = write_release("ml-1m", tmp_path / "1m")
    spoil(one_m / "ratings.dat", line(3, b"1::7::4:978300000"))
    spoil(one_m / "movies.dat", line(3, b"7::Mission: Impossible (1996)"))

    assert [text for problem in validate(hundred_k) for text in problem.texts()] == [
        f"{hundred_k}/u.data:3: rating is 'four'; expected a number",
        f"{hundred_k}/u.item:1: Adventure is 2; expected 0 or 1",
        f"{hundred_k}/u.user:2: user 1 again (first on line 1); expected one row per user",
        f"{hundred_k}/u.user:3: age is 400; expected years or an age group, 0 to 150",
    ]
    assert [text for problem in validate(one_m) for text in problem.texts()] == [
        f"{one_m}/ratings.dat:3: '1::7::4:978300000' has 3 values; "
        "expected 4 columns separated by '::': userId, movieId, rating, timestamp",
        f"{one_m}/movies.dat:3: '7::Mission: Impossible (1996)' has 2 values; "
        "expected 3 columns separated by '::': movieId, title, genres",
    ]


def test_text_between_the_two_colons_is_not_passed_over(tmp_path: Path) -> None:
    folder = write_release("ml-1m", tmp_path / "1m")
    spoil(folder / "ratings.dat", line(2, b"1:x:5::4::978300000"))

    assert f"{folder}/ratings.dat:2: '1:x:5::4::978300000' has 3 values" in refusal(folder)


@pytest.mark.parametrize(
    "text", [b'7,"Mission: Impossible (1996),Action', b'7,"Mission:\nImpossible (1996)",Action', b'7,"Mission\n",A,"b"']
)
def test_a_value_over_several_lines_is_named_by_the_line_that_opens_it(text: bytes, latest: Path) -> None:
    spoil(latest / "movies.csv", line(4, text))

    assert refusal(latest) == (
        f"{latest}/movies.csv:4: a quote opens and its value goes on over the next line; "
        "expected every quote closed on its line"
    )


@pytest.mark.parametrize(
    ("file", "header", "message"),
    [
        (
            "ratings.csv",
            b"user,item,score,time",
            "ratings.csv:1: the header is 'user,item,score,time'; expected each of",
        ),
        ("ratings.csv", b"userId;movieId;rating;timestamp", "columns once: userId, movieId, rating, timestamp"),
        ("ratings.csv", b"1,1,4.0,978300000", "the header is '1,1,4.0,978300000'"),
        ("ratings.csv", b"userId,movieId,rating,rating", "the header is 'userId,movieId,rating,rating'"),
        (
            "movies.csv",
            b"movieId,title",
            "movies.csv:1: the header is 'movieId,title': genres is missing; expected each",
        ),
    ],
)
def test_wrong_columns_are_named(file: str, header: bytes, message: str, latest: Path) -> None:
    spoil(latest / file, line(1, header))

    assert message in refusal(latest)
    assert [(problem.kind, problem.fatal) for problem in validate(latest)] == [("wrong_columns", True)]


@pytest.mark.parametrize("file", ["ratings.csv", "movies.csv", "tags.csv"])
def test_an_empty_file_is_named(file: str, latest: Path) -> None:
    (latest / file).write_bytes(b"")

    assert f"{latest}/{file}: is empty; expected" in refusal(latest)


def test_a_header_without_rows_is_named(latest: Path) -> None:
    spoil(latest / "ratings.csv", lambda lines: lines[:1])

    assert refusal(latest) == f"{latest}/ratings.csv: has a header and no rows; expected at least one"


def test_a_path_that_is_missing_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == f"{tmp_path}/nowhere: does not exist; expected a MovieLens folder or zip"


def test_an_empty_folder_and_an_empty_zip_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "hollow.zip", "w"):
        pass

    assert "holds no files; expected a MovieLens layout" in refusal(tmp_path / "folder")
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.zip")
    assert "holds no files" in refusal(tmp_path / "hollow.zip")


def test_a_truncated_zip_is_named(latest: Path, tmp_path: Path) -> None:
    whole = zip_folder(latest, tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])

    assert refusal(tmp_path / "cut.zip").startswith(f"{tmp_path}/cut.zip: is no complete zip: truncated")
    assert [problem.kind for problem in validate(tmp_path / "cut.zip")] == ["unreadable"]


def test_a_zip_damaged_inside_is_named(latest: Path, tmp_path: Path) -> None:
    path = zip_folder(latest, tmp_path / "whole.zip")
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("ratings.csv").header_offset + 60
    content = bytearray(path.read_bytes())
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)

    assert refusal(path).startswith(f"{path}/ratings.csv: is damaged inside the zip")


@pytest.mark.parametrize("offset", range(4, 46))
def test_a_directory_of_a_zip_damaged_anywhere_is_a_data_error(offset: int, latest: Path, tmp_path: Path) -> None:
    path = zip_folder(latest, tmp_path / "whole.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] ^= 0xFF
    path.write_bytes(content)

    problems = validate(path)

    assert [problem.kind for problem in problems] in ([], ["unreadable"])


def test_another_kind_of_file_is_named(latest: Path) -> None:
    assert refusal(latest / "ratings.csv").startswith(f"{latest}/ratings.csv: is no complete zip")


def test_the_first_of_many_is_named_and_the_others_are_counted(latest: Path) -> None:
    spoil(latest / "ratings.csv", line(4, b"1,7,9,978300000"))
    spoil(latest / "ratings.csv", line(6, b"1,9,8,978300000"))
    spoil(latest / "ratings.csv", line(8, b"2,1,bad,978300000"))
    spoil(latest / "movies.csv", line(2, b"1,Toy Story (1995)"))

    assert refusal(latest) == (
        f"{latest}/ratings.csv:4: rating is 9.0; expected a number above 0 and up to 5 "
        f"(and 3 more problems; `screentest data check {latest}` lists them)"
    )
    assert [(problem.kind, problem.lines.tolist()) for problem in validate(latest)] == [
        ("out_of_range", [4, 6]),
        ("not_a_number", [8]),
        ("column_count", [2]),
    ]


def test_many_lines_of_one_kind_are_capped_and_counted(latest: Path) -> None:
    spoil(latest / "ratings.csv", lambda lines: [lines[0], *(one.replace(b",9783", b",-9783") for one in lines[1:])])

    (problem,) = validate(latest)
    texts = list(problem.texts())

    assert problem.count == 18
    assert len(texts) == 6
    assert texts[-1] == f"{latest}/ratings.csv: 13 more lines with this problem (bad_timestamp)"


def test_ids_far_apart_are_still_compared_exactly(latest: Path) -> None:
    far = 900_000_000_000_000_000
    movies = "".join(f"{movie},Film (1990),Drama\n" for movie in (-far, 0, far))
    (latest / "movies.csv").write_text("movieId,title,genres\n" + movies)
    rows = [(user, movie) for user in (-far, 3, far) for movie in (far, 0, -far)] + [(far, 0)]
    (latest / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n" + "".join(f"{user},{movie},3,1\n" for user, movie in rows)
    )

    (problem,) = validate(latest)

    assert (problem.kind, problem.lines.tolist()) == ("duplicate", [11])
    assert problem.reason() == f"user {far} and movie 0 again (first on line 9); expected one rating per user and movie"


def test_reading_a_bad_release_for_its_good_rows_reports_the_rest(latest: Path) -> None:
    spoil(latest / "ratings.csv", line(4, b"1,7,9,978300000"))

    reading = inspect(latest)

    assert len(reading.interactions) == 17
    assert [problem.kind for problem in reading.problems] == ["out_of_range"]


def test_the_example_of_missing_columns_is_true() -> None:
    found = doctest.testmod(problems)
    assert found.attempted > 0
    assert found.failed == 0


def bomb(folder: Path, kind: str) -> Path:
    """Two megabytes of ratings in a few kilobytes, as a zip or a gzip."""
    text = b"userId,movieId,rating,timestamp\n" + b"1,7,4,978300000\n" * 130_000
    if kind == "zip":
        with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ml/ratings.csv", text)
        return folder / "bomb.zip"
    (folder / "ratings.csv.gz").write_bytes(gzip.compress(text))
    return folder / "ratings.csv.gz"


@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_a_file_that_would_fill_the_memory_is_not_unpacked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bomb(tmp_path, kind)
    packed = open_members(path) if kind == "zip" else FileMembers(path)
    [name] = packed.names
    assert len(packed.read(name)) > 2_000_000, "so little harms nobody"
    monkeypatch.setattr("loaders.members.HARMLESS_BYTES", 1 << 20)
    with pytest.raises(DataError, match="more than 100 times as large unpacked"):
        packed.read(name)
    with pytest.raises(DataError, match="more than 100 times as large unpacked"):
        list(packed.blocks(name, 1 << 16))


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ratings.csv").write_bytes(b"a,b\n1,2\n" + b"x" * 200)
    monkeypatch.setattr("loaders.members.LONGEST_LINE", 100)
    with pytest.raises(DataError, match="a line of more than 100 bytes"):
        list(open_members(tmp_path).blocks("ratings.csv", 16))
    assert b"".join(open_members(tmp_path).blocks("ratings.csv", 150)).endswith(b"x")
