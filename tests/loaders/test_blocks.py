"""A file that is read block by block gives what it gives in one piece: rows, line numbers, problems and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loaders import blocks
from loaders.lines import line_texts, line_texts_in_blocks
from loaders.local import LocalDataLoader, inspect
from loaders.members import open_members
from loaders.movielens import Reading
from tests.small_releases import movielens_ratings, write_release, zip_folder

#: The least holds a header and a row.
SIZES = [40, 57, 64, 200, 10_000]


def in_blocks(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> Reading:
    with monkeypatch.context() as small:
        small.setattr(blocks, "BLOCK", size)
        return inspect(path)


def texts(reading: Reading) -> list[str]:
    return [text for problem in reading.problems for text in problem.texts(100)]


def spoilt(layout: str, folder: Path) -> Path:
    """A release with a bad line of every kind, near and far."""
    write_release(layout, folder)
    ratings = next(folder / name for name in ("ratings.csv", "u.data", "ratings.dat") if (folder / name).exists())
    separator = {"ratings.csv": b",", "u.data": b"\t", "ratings.dat": b"::"}[ratings.name]
    lines = ratings.read_bytes().replace(b"\r\n", b"\n").split(b"\n")
    lines[2] = separator.join([b"1", b"7", b"nine", b"978300000"])
    lines[5] = b""
    lines[9] = separator.join([b"1", b"7", b"9", b"978300000"])
    lines[12] = b"odd"
    lines[15] = lines[1]
    ratings.write_bytes(b"\n".join(lines) + b"\n\n")
    return folder


@pytest.mark.parametrize("size", SIZES)
def test_sound_files_are_as_read_whole(
    size: int, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (release, zip_folder(release, tmp_path / "packed.zip")):
        found, whole = in_blocks(path, size, monkeypatch), inspect(path)

        pd.testing.assert_frame_equal(found.interactions.ratings, movielens_ratings())
        pd.testing.assert_frame_equal(found.interactions.items, whole.interactions.items)
        pd.testing.assert_frame_equal(found.interactions.tags, whole.interactions.tags)
        assert found.problems == ()


@pytest.mark.parametrize("size", SIZES)
def test_bad_lines_are_as_read_whole(size: int, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spoilt(layout, tmp_path / "spoilt")

    found, whole = in_blocks(path, size, monkeypatch), inspect(path)

    assert sorted(texts(found)) == sorted(texts(whole))
    assert len(texts(whole)) >= 5
    pd.testing.assert_frame_equal(found.interactions.ratings, whole.interactions.ratings)


@pytest.mark.parametrize("size", SIZES)
def test_lines_set_aside_are_as_they_stand(
    size: int, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spoilt(layout, tmp_path / "spoilt")
    LocalDataLoader(path, quarantine=tmp_path / "whole.csv").load()
    monkeypatch.setattr(blocks, "BLOCK", size)

    LocalDataLoader(path, quarantine=tmp_path / "blocks.csv").load()

    assert (tmp_path / "blocks.csv").read_text() == (tmp_path / "whole.csv").read_text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ['7,"Mission: Impossible (1996),Action', '7,"Mission:\nImpossible (1996)",Action'])
def test_a_quote_that_goes_on_is_named_wherever_the_blocks_end(
    text: str, size: int, latest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (latest / "movies.csv").read_text().split("\n")
    (latest / "movies.csv").write_text("\n".join([*lines[:3], text, *lines[4:]]))

    assert texts(in_blocks(latest, size, monkeypatch)) == [
        f"{latest}/movies.csv:4: a quote opens and its value goes on over the next line; "
        "expected every quote closed on its line"
    ]


@pytest.mark.parametrize("size", [1, *SIZES])
def test_blocks_end_where_lines_do_and_nothing_is_lost(size: int, release: Path, tmp_path: Path) -> None:
    for path in (release, zip_folder(release, tmp_path / "packed.zip")):
        members = open_members(path)
        for name in members.names:
            parts = list(members.blocks(name, size))
            assert b"".join(parts) == members.read(name)
            assert all(part.endswith(b"\n") for part in parts[:-1])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_texts_of_lines_are_found_across_blocks(end: bytes) -> None:
    lines = [f"line {number}".encode() for number in range(1, 8)]
    content = b"\n".join(lines) + end
    numbers = np.array([1, 3, 4, 7])

    found = line_texts_in_blocks([content[:14], content[14:35], content[35:]], numbers)

    assert found == line_texts(content, numbers) == ["line 1", "line 3", "line 4", "line 7"]
