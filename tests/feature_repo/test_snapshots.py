"""Snapshot files: the same rows as computed at once, complete, and found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from feature_repo import snapshots as room
from feature_repo.catalogue import FeatureLayout
from feature_repo.expressions.moments import DAY_S
from feature_repo.matrices import features_as_of, features_version
from feature_repo.offline import item_table, user_table
from feature_repo.snapshots import SnapshotSet, read_snapshots, snapshot_times, write_snapshots
from loaders.local import LocalDataLoader
from tests.small_feature_world import AS_OF, random_world, small_world


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> SnapshotSet:
    return write_snapshots(random_world(5), tmp_path_factory.mktemp("features") / "snapshots", every_days=30)


def assert_equal_to_features_as_of(interactions: Interactions, found: SnapshotSet, times: tuple[int, ...]) -> None:
    """Rows of a snapshot are those of features_as_of; at the last one everyone has a row."""
    tables = user_table(found), item_table(found)
    for time in times:
        features = features_as_of(interactions, time)
        sides = ((features.users, features.user), (features.items, features.item))
        for table, (ids, expected) in zip(tables, sides, strict=True):
            here = table.time == time
            rows = ids.index_of(table.ids[table.entity[here]])
            np.testing.assert_array_equal(table.values[here], expected[rows])
            if time == found.as_of:
                assert sorted(rows) == list(range(len(ids)))


def test_rows_equal_those_computed_for_one_moment(written: SnapshotSet) -> None:
    assert_equal_to_features_as_of(random_world(5), written, (*written.times[1:-1:4], written.as_of))


@pytest.mark.real_data
def test_rows_equal_on_real_ratings(movielens: Path, tmp_path: Path) -> None:
    interactions = LocalDataLoader(movielens).load()
    found = write_snapshots(interactions, tmp_path / "snapshots", every_days=90)
    assert_equal_to_features_as_of(interactions, found, (found.times[30], found.as_of))


def test_columns_and_types(written: SnapshotSet) -> None:
    schema = pq.read_schema(written.user_path)
    assert schema.names[:3] == ["user_id", "event_timestamp", "created_timestamp"]
    assert schema.field("user_id").type == pa.string()
    assert schema.field("event_timestamp").type == pa.timestamp("us", tz="UTC")
    assert schema.field("rating_mean").type == pa.float32()
    assert schema.field("genre_lift").type == pa.list_(pa.float32())
    assert pq.read_schema(written.item_path).names[0] == "item_id"
    rows = pd.read_parquet(written.item_path)
    assert {len(flags) for flags in rows["has_genre"]} == {3}
    assert rows["release_year"].isna().any()
    assert pq.read_table(written.item_path)["release_year"].null_count == rows["release_year"].isna().sum()


def test_document_is_found_again(written: SnapshotSet) -> None:
    world = random_world(5)
    layout = FeatureLayout(("Drama", "Noir", "War"))
    assert read_snapshots(written.folder) == written
    assert written.layout == layout
    assert written.version == features_version(world, layout)
    assert written.as_of == written.times[-1] == world.ratings["timestamp"].max() + 1
    assert json.loads(written.layout_path.read_text())["genres"] == ["Drama", "Noir", "War"]
    times = {time.timestamp() for path in (written.user_path, written.item_path) for time in _times(path)}
    assert times <= set(written.times)


def _times(path: Path) -> list[pd.Timestamp]:
    return list(pd.read_parquet(path)["event_timestamp"].unique())


def test_two_runs_write_the_same_values(written: SnapshotSet, tmp_path: Path) -> None:
    """In another order of rows, too: sums are of integers."""
    world = random_world(5)
    shuffled = world.take(np.random.default_rng(0).permutation(len(world)))
    again = write_snapshots(shuffled, tmp_path / "again", every_days=30)
    assert again.version == written.version
    for name in ("user_path", "item_path"):
        assert pq.read_table(getattr(again, name)).equals(pq.read_table(getattr(written, name)))


def test_an_idle_entity_has_ever_fewer_rows(tmp_path: Path) -> None:
    """One rating, then silence: rows until 180 days have forgotten it, then 8, 16, 32 … months after it."""
    ratings = pd.DataFrame(
        {"user_id": [1, 2], "item_id": [1, 2], "rating": np.float32([3, 4]), "timestamp": [0, 1_200 * DAY_S - 1]}
    )
    found = write_snapshots(Interactions(ratings), tmp_path / "s", every_days=30)
    assert len(found.times) == 40
    months = {
        path.stem: ((frame["event_timestamp"].astype("int64") // 1_000_000) // (30 * DAY_S)).tolist()
        for path, key in ((found.user_path, "user_id"), (found.item_path, "item_id"))
        for frame in [pd.read_parquet(path).query(f"{key} == '1'")]
    }
    # The first of them is 30 days after the rating; the 180 days are over seven later.
    expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 33, 40]
    assert months == {"user_features": expected, "item_features": expected}
    counts = pd.read_parquet(found.item_path).query("item_id == '1'")["recent_count"].tolist()
    assert counts == [1, 1, 1] + [0] * 9


def test_times_of_snapshots() -> None:
    world = small_world()
    times = snapshot_times(world, 50)
    assert times == tuple(AS_OF + 2 - days * DAY_S for days in (200, 150, 100, 50, 0))
    assert snapshot_times(world, 1_000) == (AS_OF + 2,)
    with pytest.raises(ConfigError, match="every_days is 0; it must be at least 1 day"):
        snapshot_times(world, 0)
    with pytest.raises(DataError, match="no rating"):
        snapshot_times(Interactions(world.ratings.iloc[:0]), 30)


def test_ratings_alone_suffice(tmp_path: Path) -> None:
    found = write_snapshots(Interactions(small_world().ratings), tmp_path / "s", every_days=30)
    assert found.layout.genres == ()
    assert user_table(found).values.shape[1] == 20
    assert {len(one) for one in pd.read_parquet(found.user_path)["genre_share"]} == {0}


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_snapshots(small_world(), tmp_path / "s", every_days=100)
    kept = before.layout_path.read_bytes()

    def full_disk(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(room.pq, "write_table", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_snapshots(random_world(1), tmp_path / "s", every_days=30)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert before.layout_path.read_bytes() == kept
    monkeypatch.undo()
    assert write_snapshots(random_world(1), tmp_path / "s", every_days=30).version != before.version


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        write_snapshots(small_world(), tmp_path, every_days=30)


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"layout\.json: cannot be read \(No such file"):
        read_snapshots(tmp_path)
    found = write_snapshots(small_world(), tmp_path / "s", every_days=100)
    document = json.loads(found.layout_path.read_text())
    for broken, message in (
        (json.dumps({**document, "format": 0}), "is of another format than"),
        (json.dumps({**document, "as_of": "soon"}), "is no layout of feature snapshots"),
        ("[]", "is no layout of feature snapshots"),
    ):
        found.layout_path.write_text(broken)
        with pytest.raises(DataError, match=message):
            read_snapshots(found.folder)
    found.layout_path.write_text(json.dumps(document))
    found.item_path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is no readable Parquet file"):
        item_table(found)
    found.item_path.unlink()
    with pytest.raises(DataError, match=r"lacks item_features\.parquet; build the features again"):
        read_snapshots(found.folder)
