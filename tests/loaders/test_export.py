"""Ratings written as CSV read back as they were."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.errors import ConfigError
from loaders.base import SplitRule
from loaders.export import write_movielens_csv
from loaders.local import LocalDataLoader, validate
from loaders.synthetic import SyntheticDataLoader


def test_synthetic_ratings_come_back(tmp_path: Path) -> None:
    made = SyntheticDataLoader(4, n_users=30, n_items=70)

    write_movielens_csv(made.load(), tmp_path / "out")

    read = LocalDataLoader(tmp_path / "out")
    assert validate(tmp_path / "out") == []
    for table in ("ratings", "items", "genres"):
        pd.testing.assert_frame_equal(getattr(read.load(), table), getattr(made.load(), table))
    assert read.provenance().sha256 == made.provenance().sha256


def test_every_layout_comes_back_as_ml_latest(release: Path, tmp_path: Path) -> None:
    original = LocalDataLoader(release, split=SplitRule("leave_last_n", n=2)).load()

    write_movielens_csv(original, tmp_path / "out")

    copy = LocalDataLoader(tmp_path / "out").load()
    for table in ("ratings", "items", "genres", "tags"):
        pd.testing.assert_frame_equal(getattr(copy, table), getattr(original, table))


def test_a_folder_with_files_is_left_alone(latest: Path) -> None:
    with pytest.raises(ConfigError, match="is not empty; give a folder that is new or empty"):
        write_movielens_csv(SyntheticDataLoader(1, n_users=5, n_items=50).load(), latest)
    assert len(LocalDataLoader(latest).load()) == 18


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be written"):
        write_movielens_csv(SyntheticDataLoader(1, n_users=5, n_items=50).load(), tmp_path / "file")
