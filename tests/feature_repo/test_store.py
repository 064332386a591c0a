"""Feast over small snapshots and a real Redis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError, FeatureStoreError
from feature_repo.agreement import disagreements
from feature_repo.catalogue import CROSS_FEATURES, filled
from feature_repo.columns import frame_of
from feature_repo.cross import cross_features
from feature_repo.offline import SnapshotTable, item_table, join_rows, user_table
from feature_repo.packed import write_packed
from feature_repo.redis_client import connect
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.store import Store
from feature_repo.views import EVENT_TIMESTAMP, ITEM_VIEWS, USER_VIEWS, full_names
from tests.redis_server import Impostor, dead_url, empty_database
from tests.small_feature_world import random_world, small_world


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> SnapshotSet:
    """With demographics, an item without genres and a user who rates at the very end."""
    return write_snapshots(small_world(), tmp_path_factory.mktemp("small") / "snapshots", every_days=30)


@pytest.fixture(scope="module")
def users(snapshots: SnapshotSet) -> SnapshotTable:
    return user_table(snapshots)


@pytest.fixture(scope="module")
def items(snapshots: SnapshotSet) -> SnapshotTable:
    return item_table(snapshots)


@pytest.fixture(scope="module")
def opened(snapshots: SnapshotSet, redis_server: str) -> Store:
    return Store(snapshots, empty_database(redis_server, 1), timeout_s=5)


@pytest.fixture
def store(opened: Store) -> Store:
    """What the snapshots say, and nothing pushed."""
    empty_database(opened.url, 1)
    opened.apply()
    opened.materialise()
    return opened


def time_of(snapshots: SnapshotSet, seconds_later: int = 0) -> pd.Timestamp:
    return pd.Timestamp(snapshots.as_of + seconds_later, unit="s", tz="UTC")


def fresh_rows(store: Store, ids: list[str], rows: np.ndarray, *, later: int = 60, kind: str = "user") -> pd.DataFrame:
    layout = store.snapshots.layout
    views, names = (USER_VIEWS, layout.user_names) if kind == "user" else (ITEM_VIEWS, layout.item_names)
    frame = frame_of(rows, list(full_names(views)), names)
    return frame.assign(**{f"{kind}_id": ids, EVENT_TIMESTAMP: time_of(store.snapshots, later)})


def test_online_is_what_the_last_snapshot_says(store: Store, users: SnapshotTable, items: SnapshotTable) -> None:
    as_of = np.int64(store.snapshots.as_of)

    np.testing.assert_array_equal(store.user_rows(users.ids.tolist()), users.latest(users.ids, as_of))
    np.testing.assert_array_equal(store.item_rows(items.ids.tolist()), items.latest(items.ids, as_of))


def test_pairs_have_features_of_both_together(store: Store, users: SnapshotTable, items: SnapshotTable) -> None:
    user_ids, item_ids = (grid.ravel() for grid in np.meshgrid(users.ids, items.ids))
    layout, as_of = store.snapshots.layout, np.int64(store.snapshots.as_of)
    user, item = users.latest(user_ids, as_of), items.latest(item_ids, as_of)

    pairs = store.pair_rows(user_ids.tolist(), item_ids.tolist())

    np.testing.assert_array_equal(pairs.user, user)
    np.testing.assert_array_equal(pairs.item, item)
    expected = cross_features(layout, filled(user, layout.user_defaults), filled(item, layout.item_defaults))
    np.testing.assert_allclose(pairs.cross, expected, atol=1e-6)


def test_the_unknown_are_missing_and_pairs_with_them_take_defaults(store: Store) -> None:
    layout = store.snapshots.layout
    assert np.isnan(store.user_rows(["1", "nobody"])).all(axis=1).tolist() == [False, True]
    assert np.isnan(store.item_rows(["nothing"])).all()

    pairs = store.pair_rows(["nobody", "nobody"], ["10", "nothing"])

    defaults = np.stack([layout.user_defaults, layout.user_defaults])
    items = filled(pairs.item, layout.item_defaults)
    assert np.isnan(pairs.user).all()
    np.testing.assert_allclose(pairs.cross, cross_features(layout, defaults, items), atol=1e-6)


def test_ids_are_text(store: Store) -> None:
    np.testing.assert_array_equal(store.user_rows([1, 2]), store.user_rows(["1", "2"]))


def test_nobody_is_asked_for(store: Store) -> None:
    layout = store.snapshots.layout
    assert store.user_rows([]).shape == (0, len(layout.user_names))
    assert [part.shape for part in store.pair_rows([], [])] == [
        (0, len(layout.user_names)),
        (0, len(layout.item_names)),
        (0, len(CROSS_FEATURES)),
    ]


def test_at_an_earlier_moment(store: Store, users: SnapshotTable) -> None:
    earlier = store.snapshots.times[-3]
    empty_database(store.url, 1)
    store.materialise(earlier)

    found = store.user_rows(users.ids.tolist())

    np.testing.assert_array_equal(found, users.latest(users.ids, np.int64(earlier)))
    assert np.isnan(found).all(axis=1).any(), "somebody came later"


def test_history_is_joined_to_each_moment(store: Store) -> None:
    times = store.snapshots.times
    rows = pd.DataFrame(
        {
            "user_id": [1, 1, 3, 99],
            "item_id": [10, 20, 20, 10],
            # Unordered, between snapshots, before the user came, and never heard of.
            EVENT_TIMESTAMP: pd.to_datetime([times[-1], times[-4] + 5, times[2], times[-1]], unit="s", utc=True),
        }
    )
    expected = join_rows(rows, store.snapshots)

    found = store.historical(rows)

    np.testing.assert_array_equal(found.user, expected.user)
    np.testing.assert_array_equal(found.item, expected.item)
    assert np.isnan(found.user).all(axis=1).tolist() == [False, False, True, True]


def test_a_pushed_row_is_online_and_packed(store: Store) -> None:
    before = store.user_rows(["1", "2"])
    rows = before[:1] + 1

    store.push_users(fresh_rows(store, ["1"], rows))

    np.testing.assert_array_equal(store.user_rows(["1", "2"]), [rows[0], before[1]])
    np.testing.assert_array_equal(store.packed_rows(["1"]), rows)


def test_a_new_user_can_be_pushed(store: Store) -> None:
    rows = store.user_rows(["1"])

    store.push_users(fresh_rows(store, ["new"], rows))

    np.testing.assert_array_equal(store.user_rows(["new"]), rows)
    np.testing.assert_array_equal(store.packed_rows(["new"]), rows)


def test_a_row_older_than_the_one_online_changes_nothing(store: Store) -> None:
    before = store.user_rows(["1"])

    store.push_users(fresh_rows(store, ["1"], before + 1, later=-60))

    np.testing.assert_array_equal(store.user_rows(["1"]), before)
    np.testing.assert_array_equal(store.packed_rows(["1"]), before)


def test_items_can_be_pushed(store: Store) -> None:
    rows = store.item_rows(["10"]) + 1

    store.push_items(fresh_rows(store, ["10"], rows, kind="item"))

    np.testing.assert_array_equal(store.item_rows(["10"]), rows)


def test_a_push_outlives_materialising_again_unless_told_otherwise(store: Store) -> None:
    before = store.user_rows(["1"])
    store.push_users(fresh_rows(store, ["1"], before + 1))
    store.materialise()
    np.testing.assert_array_equal(store.user_rows(["1"]), before + 1)

    store.materialise(overwrite=True)

    np.testing.assert_array_equal(store.user_rows(["1"]), before)


def test_a_push_without_a_column_is_refused(store: Store) -> None:
    frame = fresh_rows(store, ["1"], store.user_rows(["1"])).drop(columns=["age", "genre_lift"])

    with pytest.raises(DataError, match="fresh rows lack the columns genre_lift, age; expected user_id"):
        store.push_users(frame)


def test_versions_do_not_mix(store: Store, redis_server: str, tmp_path: Path) -> None:
    other = write_snapshots(random_world(3), tmp_path / "snapshots", every_days=30)
    # The same Redis.
    second = Store(other, f"{redis_server.rpartition('/')[0]}/1", timeout_s=5)
    second.apply()

    assert second.project != store.project
    assert np.isnan(second.user_rows(["1"])).all()
    second.materialise(overwrite=True)
    assert not np.isnan(second.user_rows(["1"])).all()
    assert not np.isnan(store.user_rows(["1"])).all()


def test_nothing_was_applied(redis_url: str, tmp_path: Path) -> None:
    snapshots = write_snapshots(small_world(), tmp_path / "snapshots", every_days=365)

    with pytest.raises(FeatureStoreError, match=r"Feast refused \(.*\); build the features of .* again") as raised:
        Store(snapshots, redis_url).user_rows(["1"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["dead", "silent", "password"])
def test_a_redis_that_fails(kind: str, store: Store, silent: Impostor) -> None:
    """One line, at once, whatever is asked: Feast's own client would wait ten seconds and try again."""
    url = {
        "dead": dead_url(),
        "silent": silent.url,
        "password": store.url.replace("//", "//me:hush@"),
    }[kind]
    said = {"dead": "cannot be reached", "silent": "did not answer in time", "password": "refused the password"}[kind]
    broken = Store(store.snapshots, url)
    fresh = fresh_rows(store, ["1"], store.user_rows(["1"]))
    asked = [
        lambda: broken.user_rows(["1"]),
        lambda: broken.pair_rows(["1"], ["10"]),
        lambda: broken.packed_rows(["1"]),
        broken.materialise,
        lambda: broken.push_users(fresh),
    ]

    for ask in asked:
        with pytest.raises(FeatureStoreError, match=said) as raised:
            ask()
        assert "\n" not in str(raised.value)
        assert "hush" not in str(raised.value)
    if kind == "silent":
        assert silent.connections == len(asked)


def test_disagreement_between_packed_and_feast_is_seen(store: Store) -> None:
    rows = store.user_rows(["1"])
    with connect(store.url, timeout_s=5) as client:
        write_packed(client, store.snapshots.version, ["1"], rows + 1)

    assert disagreements(store.snapshots.layout.user_names, ["1"], rows, store.packed_rows(["1"]))
