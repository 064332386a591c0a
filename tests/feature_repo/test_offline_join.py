"""The bulk as-of join, against pandas' and against a search row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from feature_repo.catalogue import filled
from feature_repo.cross import cross_features
from feature_repo.offline import as_of_join, join_rows, user_table
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.views import ITEM_VIEWS, USER_VIEWS, cross_full_names, full_names
from tests.small_feature_world import random_world


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SnapshotSet:
    return write_snapshots(random_world(3), tmp_path_factory.mktemp("features") / "s", every_days=20)


@pytest.fixture(scope="module")
def rows(written: SnapshotSet) -> pd.DataFrame:
    """Every rating, times that are exactly a snapshot's, and strangers; an index of its own, in no order."""
    ratings = random_world(3).ratings[["user_id", "item_id", "timestamp"]]
    exact = ratings.iloc[:10].assign(timestamp=written.times[4])
    strangers = ratings.iloc[:4].assign(user_id=[99, 98, 1, 2], item_id=[1, 2, 99, 98], timestamp=written.as_of)
    everything = pd.concat([ratings, exact, strangers], ignore_index=True).sample(frac=1, random_state=0)
    time = pd.to_datetime(everything.pop("timestamp"), unit="s", utc=True).astype("datetime64[us, UTC]")
    return everything.assign(event_timestamp=time)


@pytest.mark.parametrize("key", ["user_id", "item_id"])
def test_equals_merge_asof(written: SnapshotSet, rows: pd.DataFrame, key: str) -> None:
    path, views = (written.user_path, USER_VIEWS) if key == "user_id" else (written.item_path, ITEM_VIEWS)
    table = pd.read_parquet(path).drop(columns="created_timestamp").sort_values("event_timestamp")
    left = rows[[key, "event_timestamp"]].astype({key: str}).reset_index().sort_values("event_timestamp")
    expected = pd.merge_asof(left, table, on="event_timestamp", by=key).set_index("index").loc[rows.index]
    joined = as_of_join(rows, written.folder)
    for name, full in full_names(views).items():
        if expected[name].dtype != object:
            np.testing.assert_array_equal(joined[full], expected[name])
        else:
            assert [one is None for one in joined[full]] == expected[name].isna().tolist()
            there = expected[name].notna()
            np.testing.assert_array_equal(np.stack(joined[full][there]), np.stack(expected[name][there]))


def test_keeps_rows_and_adds_a_column_per_feature(written: SnapshotSet, rows: pd.DataFrame) -> None:
    joined = as_of_join(rows, written.folder)
    pd.testing.assert_frame_equal(joined[list(rows.columns)], rows)
    assert list(joined.columns[3:]) == [
        *full_names(USER_VIEWS).values(), *full_names(ITEM_VIEWS).values(), *cross_full_names()
    ]  # fmt: skip
    assert as_of_join(rows.iloc[:0], written.folder).shape == (0, joined.shape[1])


def test_features_of_both_are_those_of_the_rows(written: SnapshotSet, rows: pd.DataFrame) -> None:
    layout, pairs = written.layout, join_rows(rows, written)
    expected = cross_features(
        layout, filled(pairs.user, layout.user_defaults), filled(pairs.item, layout.item_defaults)
    )
    np.testing.assert_array_equal(as_of_join(rows, written.folder)[list(cross_full_names())], expected)


def test_only_what_was_known_is_joined(written: SnapshotSet) -> None:
    """A rating's own snapshot row is never later than the rating, and counts only earlier ratings."""
    ratings = random_world(3).ratings
    found = user_table(written).latest(ratings["user_id"], ratings["timestamp"])[:, 0]
    earlier = [
        int(((ratings["user_id"] == row.user_id) & (ratings["timestamp"] < row.timestamp)).sum())
        for row in ratings.itertuples()
    ]
    assert (np.nan_to_num(found) <= earlier).all()
    assert np.nan_to_num(found).max() > 1


def test_latest_of_strangers_and_of_numbers(written: SnapshotSet) -> None:
    table = user_table(written)
    assert np.isnan(table.latest(["0", "zzz", ""], written.as_of)).all()
    np.testing.assert_array_equal(
        table.latest(np.array([1, 2]), written.as_of), table.latest(["1", "2"], written.as_of)
    )
    assert np.isnan(table.latest(["1"], written.times[0] - 1)).all()


def test_bad_rows_are_refused(written: SnapshotSet, rows: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"rows lack item_id; expected user_id, item_id, event_timestamp"):
        as_of_join(rows.drop(columns="item_id"), written.folder)
    without_zone = rows.assign(event_timestamp=rows["event_timestamp"].dt.tz_localize(None))
    with pytest.raises(DataError, match=r"event_timestamp is datetime64\[us\]; expected times with a zone"):
        as_of_join(without_zone, written.folder)
    with pytest.raises(DataError, match=r"layout\.json"):
        as_of_join(rows, Path(written.folder) / "elsewhere")
