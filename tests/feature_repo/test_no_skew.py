"""No training-serving skew: every feature is the same offline and online at the same moment, on real ratings.

Offline is what a training set gets: the snapshots, written with hindsight, joined at a moment by Feast and by our bulk
join. Online is what a model in service gets at that moment: Feast's answer from Redis, and the packed row.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.interactions import Interactions
from feature_repo.agreement import disagreements
from feature_repo.catalogue import CROSS_FEATURES
from feature_repo.columns import frame_of, rows_of
from feature_repo.leakage import before
from feature_repo.matrices import features_as_of
from feature_repo.offline import as_of_join, user_table
from feature_repo.packed import write_packed
from feature_repo.redis_client import connect
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.store import PairRows, Store
from feature_repo.views import (
    EVENT_TIMESTAMP,
    ITEM_ID,
    ITEM_VIEWS,
    USER_ID,
    USER_VIEWS,
    View,
    cross_full_names,
    full_names,
)
from loaders.local import LocalDataLoader
from tests.redis_server import empty_database

pytestmark = pytest.mark.real_data

N_PAIRS = 1_000


@pytest.fixture(scope="module")
def ratings(movielens: Path) -> Interactions:
    return LocalDataLoader(movielens).load()


@pytest.fixture(scope="module")
def snapshots(ratings: Interactions, tmp_path_factory: pytest.TempPathFactory) -> SnapshotSet:
    return write_snapshots(ratings, tmp_path_factory.mktemp("real") / "snapshots", every_days=30)


@pytest.fixture(scope="module")
def at_the_end(snapshots: SnapshotSet, redis_server: str) -> Store:
    """Everything online as it is at the last snapshot, packed rows included."""
    url = empty_database(redis_server, 2)
    store = Store(snapshots, url, timeout_s=5)
    store.apply()
    store.materialise()
    table = user_table(snapshots)
    with connect(url, timeout_s=5) as client:
        write_packed(client, snapshots.version, table.ids.tolist(), table.latest(table.ids, np.int64(snapshots.as_of)))
    return store


@pytest.fixture(scope="module")
def moment(snapshots: SnapshotSet) -> int:
    """A snapshot in the middle of the data."""
    return snapshots.times[len(snapshots.times) // 2]


@pytest.fixture(scope="module")
def live(ratings: Interactions, snapshots: SnapshotSet, moment: int, redis_server: str) -> Store:
    """Online as it was at the moment: computed from what had happened by then, and pushed."""
    store = Store(snapshots, empty_database(redis_server, 3), timeout_s=5)
    store.apply()
    known = features_as_of(before(ratings, moment), moment)
    layout = known.layout
    for push, key, ids, rows, views, names in (
        (store.push_users, USER_ID, known.users.ids, known.user, USER_VIEWS, layout.user_names),
        (store.push_items, ITEM_ID, known.items.ids, known.item, ITEM_VIEWS, layout.item_names),
    ):
        frame = frame_of(rows, list(full_names(views)), names)
        push(frame.assign(**{key: ids.astype(str), EVENT_TIMESTAMP: pd.Timestamp(moment, unit="s", tz="UTC")}))
    return store


def drawn(user_ids: np.ndarray, item_ids: np.ndarray, time: int) -> pd.DataFrame:
    """Random pairs at a moment; pairs may come twice."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            USER_ID: rng.choice(user_ids.astype(str), N_PAIRS),
            ITEM_ID: rng.choice(item_ids.astype(str), N_PAIRS),
            EVENT_TIMESTAMP: pd.Timestamp(time, unit="s", tz="UTC"),
        }
    )


def due_at(snapshots: SnapshotSet, time: int) -> tuple[np.ndarray, np.ndarray]:
    """The users and items that have a row of that very moment; rows of the idle are rarer, and older."""
    at = pa.scalar(time * 1_000_000, pa.timestamp("us", tz="UTC"))
    tables = [pq.read_table(path, use_threads=False) for path in (snapshots.user_path, snapshots.item_path)]
    users, items = (table.filter(pc.equal(table[EVENT_TIMESTAMP], at)) for table in tables)
    return users[USER_ID].to_numpy(), items[ITEM_ID].to_numpy()


def joined(pairs: pd.DataFrame, snapshots: SnapshotSet) -> PairRows:
    """What the bulk join answers, as rows."""
    layout, found = snapshots.layout, as_of_join(pairs, snapshots.folder)

    def side(views: tuple[View, ...]) -> dict[str, list[object]]:
        return {name: found[full].to_list() for name, full in full_names(views).items()}

    return PairRows(
        rows_of(side(USER_VIEWS), layout.user_names, layout.genres),
        rows_of(side(ITEM_VIEWS), layout.item_names, layout.genres),
        found[list(cross_full_names())].to_numpy(np.float32),
    )


def skew(pairs: pd.DataFrame, offline: PairRows, store: Store) -> list[str]:
    """Every feature of user, item and both together that is not the same online; a line each."""
    user_ids, item_ids = pairs[USER_ID].to_list(), pairs[ITEM_ID].to_list()
    layout, online = store.snapshots.layout, store.pair_rows(user_ids, item_ids)
    both = [f"{user} x {item}" for user, item in zip(user_ids, item_ids, strict=True)]
    return [
        *disagreements(layout.user_names, user_ids, offline.user, online.user),
        *disagreements(layout.user_names, user_ids, offline.user, store.packed_rows(user_ids)),
        *disagreements(layout.item_names, item_ids, offline.item, online.item),
        *disagreements([one.name for one in CROSS_FEATURES], both, offline.cross, online.cross),
    ]


def test_at_the_end(at_the_end: Store, ratings: Interactions) -> None:
    snapshots = at_the_end.snapshots
    pairs = drawn(ratings.user_index().ids, ratings.item_index().ids, snapshots.as_of)
    history = at_the_end.historical(pairs)

    assert not np.isnan(history.user[:, 0]).any()
    assert not np.isnan(history.item[:, 0]).any()
    assert skew(pairs, history, at_the_end) == []
    assert skew(pairs, joined(pairs, snapshots), at_the_end) == []


def test_at_an_earlier_moment(live: Store, snapshots: SnapshotSet, moment: int) -> None:
    pairs = drawn(*due_at(snapshots, moment), moment)
    history = live.historical(pairs)

    assert not np.isnan(history.user[:, 0]).any()
    assert skew(pairs, history, live) == []
    assert skew(pairs, joined(pairs, snapshots), live) == []


def test_a_leaky_view_fails_the_same_check(live: Store, snapshots: SnapshotSet, moment: int, tmp_path: Path) -> None:
    """Two features that know the end of the data: offline they do, in service they cannot."""
    leaky = replace(snapshots, folder=tmp_path)
    for source, target, key, feature in (
        (snapshots.user_path, leaky.user_path, USER_ID, "rating_count"),
        (snapshots.item_path, leaky.item_path, ITEM_ID, "quality"),
    ):
        table = pq.read_table(source, use_threads=False).to_pandas()
        table[feature] = table.groupby(key)[feature].transform("last").astype(np.float32)
        pq.write_table(pa.Table.from_pandas(table, schema=pq.read_schema(source), preserve_index=False), target)
    leaky.layout_path.write_text(snapshots.layout_path.read_text(encoding="utf-8"), encoding="utf-8")
    offline = Store(leaky, live.url, timeout_s=5)
    offline.apply()
    pairs = drawn(*due_at(snapshots, moment), moment)

    for history in (offline.historical(pairs), joined(pairs, leaky)):
        found = {line.partition(" of ")[0] for line in skew(pairs, history, live)}
        assert found == {"rating_count", "quality", "quality_gap"}


def test_feast_materialised_at_an_earlier_moment(snapshots: SnapshotSet, moment: int, redis_server: str) -> None:
    """For the idle, too: online then is the latest row by then, as offline."""
    store = Store(snapshots, empty_database(redis_server, 4), timeout_s=5)
    store.apply()
    store.materialise(moment)
    table = user_table(snapshots)
    pairs = drawn(table.ids, np.array(["1"]), moment)

    offline, online = store.historical(pairs), store.pair_rows(pairs[USER_ID].to_list(), pairs[ITEM_ID].to_list())

    names = snapshots.layout.user_names
    assert disagreements(names, pairs[USER_ID].to_list(), offline.user, online.user) == []
    assert np.isnan(online.user[:, 0]).any(), "some came later"


def test_the_packed_row_of_every_user_equals_feast(at_the_end: Store, ratings: Interactions) -> None:
    users = ratings.user_index().ids.astype(str).tolist()

    online = at_the_end.user_rows(users)

    assert online.shape == (610, len(at_the_end.snapshots.layout.user_names))
    np.testing.assert_array_equal(at_the_end.packed_rows(users), online)
