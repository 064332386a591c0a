"""Snapshots obey the meanings of their features, and damage is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.catalogue import ITEM_FEATURES, ITEM_GENRE_FEATURES, USER_FEATURES, USER_GENRE_FEATURES
from feature_repo.schemas import ITEM_RULES, USER_RULES, Rule, check_snapshots
from feature_repo.snapshots import SnapshotSet, read_snapshots, write_snapshots
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from tests.small_feature_world import random_world, small_world


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SnapshotSet:
    return write_snapshots(random_world(8), tmp_path_factory.mktemp("features") / "s", every_days=60)


def test_every_feature_has_a_rule() -> None:
    assert set(USER_RULES) == {one.name for one in (*USER_FEATURES, *USER_GENRE_FEATURES)}
    assert set(ITEM_RULES) == {one.name for one in (*ITEM_FEATURES, *ITEM_GENRE_FEATURES)}


def test_good_snapshots_have_no_problem(written: SnapshotSet, tmp_path: Path) -> None:
    assert check_snapshots(written) == []
    assert check_snapshots(write_snapshots(small_world(), tmp_path / "small", every_days=7)) == []
    loader = SyntheticDataLoader(n_users=40, n_items=60)
    assert check_snapshots(write_snapshots(loader.load(), tmp_path / "synthetic", every_days=365)) == []


@pytest.mark.real_data
def test_real_snapshots_have_no_problem(movielens: Path, tmp_path: Path) -> None:
    assert check_snapshots(write_snapshots(LocalDataLoader(movielens).load(), tmp_path / "s", every_days=180)) == []


def _set(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.at[0, column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_set("rfm_value", 7), "rfm_value is a whole number from 1 to 5; false in 1 of {n} rows"),
        (_set("rfm_value", 2.5), "rfm_value is a whole number from 1 to 5"),
        (_set("liked_share", -0.1), "liked_share is a number from 0 to 1"),
        (_set("rating_mean", np.nan), "rating_mean is a number >= 0"),
        (_set("rating_count", 0), "rating_count is a whole number >= 1"),
        (_set("is_female", 0.5), "is_female is a whole number from 0 to 1 or missing"),
        (_set("genre_share", np.full(3, 0.9, np.float32)), "genre_share sums to 1, or is 0 throughout"),
        (_set("genre_lift", np.full(3, np.inf, np.float32)), "genre_lift Drama is a number"),
        (_set("tenure_days", 0), "tenure_days is at least recency_days"),
        (_set("event_timestamp", pd.Timestamp("1990-01-01", tz="UTC")), "the time is that of a snapshot"),
        (lambda rows: pd.concat([rows, rows.iloc[:1]]), "an entity has one row per snapshot; false in 1"),
        (lambda rows: rows.iloc[:-1], "every entity has a row at the last snapshot"),
    ],
)
def test_damage_is_named(
    written: SnapshotSet, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], expected: str
) -> None:
    shutil.copytree(written.folder, tmp_path / "s")
    damaged = read_snapshots(tmp_path / "s")
    rows = change(pd.read_parquet(damaged.user_path))
    pq.write_table(
        pa.Table.from_pandas(rows, schema=pq.read_schema(written.user_path), preserve_index=False), damaged.user_path
    )
    problems = check_snapshots(damaged)
    assert any(f"user_features.parquet: expected that {expected.format(n=len(rows))}" in one for one in problems)
    assert all("\n" not in one for one in problems)


def test_a_rule_reads_as_it_holds() -> None:
    values = pd.Series([-1, 0, 0.5, 1, np.nan, np.inf], dtype="float32")
    assert str(Rule(high=1.0, missing=True)) == "a number from 0 to 1 or missing"
    assert Rule(high=1.0, missing=True).holds(values).tolist() == [False, True, True, True, True, False]
    assert str(Rule(whole=True)) == "a whole number >= 0"
    assert Rule(whole=True).holds(values).tolist() == [False, True, False, True, False, False]
    assert str(Rule(low=-np.inf)) == "a number"
