"""A prepared data set gives back what was written, and says what is wrong with one that is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from core.protocols import DataLoader
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.synthetic import SyntheticDataLoader

TABLES = ("ratings", "items", "genres", "tags", "users")


@pytest.fixture
def original(release: Path) -> LocalDataLoader:
    return LocalDataLoader(release, split=SplitRule("leave_last_n", n=2))


@pytest.fixture
def folder(original: LocalDataLoader, tmp_path: Path) -> Path:
    write_prepared(original, tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.mark.parametrize("part", ["load", "train", "test"])
def test_every_table_comes_back(part: str, original: LocalDataLoader, folder: Path) -> None:
    before, after = getattr(original, part)(), getattr(PreparedDataLoader(folder), part)()

    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(after, table), getattr(before, table))


def test_provenance_and_split_come_back(original: LocalDataLoader, folder: Path) -> None:
    prepared = PreparedDataLoader(folder)

    assert prepared.provenance() == original.provenance()
    for before, after in zip(original.split_rows(), prepared.split_rows(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_files_are_the_agreed_ones(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == [
        "genres.parquet", "items.parquet", "provenance.json", "tags.parquet", "test.parquet", "train.parquet",
        "users.parquet",
    ]  # fmt: skip
    assert [file.name for file in folder.parent.iterdir() if file.name.startswith(".")] == []


def test_writing_describes(original: LocalDataLoader, tmp_path: Path) -> None:
    description = write_prepared(original, tmp_path / "prepared")

    assert (description["n_ratings"], description["n_train"], description["n_test"]) == (18, 12, 6)
    json.dumps(description)


def test_prepared_data_can_be_prepared_again(folder: Path, tmp_path: Path) -> None:
    write_prepared(PreparedDataLoader(folder), tmp_path / "again")

    again, once = PreparedDataLoader(tmp_path / "again"), PreparedDataLoader(folder)
    assert again.provenance() == once.provenance()
    pd.testing.assert_frame_equal(again.test().ratings, once.test().ratings)


def test_writing_again_replaces(folder: Path) -> None:
    other = SyntheticDataLoader(1, n_users=20, n_items=60, n_ratings=400)

    write_prepared(other, folder)

    assert PreparedDataLoader(folder).provenance() == other.provenance()


def test_an_empty_folder_is_filled(original: LocalDataLoader, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    write_prepared(original, tmp_path / "made")

    assert len(PreparedDataLoader(tmp_path / "made").load()) == 18


def test_a_folder_with_other_files_is_left_alone(original: LocalDataLoader, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")

    with pytest.raises(ConfigError, match="holds other files; give a folder that is new, empty or a prepared data set"):
        write_prepared(original, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_loader_that_fails_leaves_what_was_there(folder: Path, release: Path) -> None:
    unsplittable = LocalDataLoader(release, split=SplitRule("leave_last_n", n=50))

    with pytest.raises(DataError, match="leaves no test rows"):
        write_prepared(unsplittable, folder)
    assert len(PreparedDataLoader(folder).load()) == 18
    assert [file.name for file in folder.parent.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["train.parquet", "tags.parquet"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()

    with pytest.raises(DataError, match=f"{folder}: lacks {name}; expected a complete prepared data set"):
        PreparedDataLoader(folder)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"provenance.json: cannot be read \(No such file or directory\)"):
        PreparedDataLoader(tmp_path)


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "train.parquet").write_bytes(b"PAR1 but not really")

    with pytest.raises(DataError, match=r"train.parquet: is no readable Parquet file"):
        PreparedDataLoader(folder).train()


def test_a_file_of_other_columns_is_named(folder: Path) -> None:
    pd.DataFrame({"user": [1]}).to_parquet(folder / "test.parquet")

    with pytest.raises(DataError, match=r"test.parquet: lacks the columns user_id, item_id, rating, timestamp, row"):
        PreparedDataLoader(folder).test()


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', "{}", '{"format": 1, "sauce": 3}'])
def test_a_damaged_provenance_is_named(text: str, folder: Path) -> None:
    (folder / "provenance.json").write_text(text)

    with pytest.raises(DataError, match=r"provenance.json: is no provenance of a prepared data set"):
        PreparedDataLoader(folder)


def test_another_format_is_named(folder: Path) -> None:
    (folder / "provenance.json").write_text('{"format": 2}')

    with pytest.raises(DataError, match=r"provenance.json: is of another format than 1"):
        PreparedDataLoader(folder)


def test_it_is_a_data_loader(folder: Path) -> None:
    assert isinstance(PreparedDataLoader(folder), DataLoader)
