"""Building features as a whole, the checks that must stop it, and the page about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import ConfigError, DataError, FeatureStoreError
from core.interactions import Interactions
from feature_repo import build
from feature_repo.build import Built, build_features
from feature_repo.checks import Check, leakage_check, online_check, schema_check
from feature_repo.columns import frame_of
from feature_repo.matrices import features_as_of
from feature_repo.offline import item_table, user_table
from feature_repo.packed import layout_key
from feature_repo.redis_client import connect
from feature_repo.report import features_html, spread
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.store import Store
from feature_repo.views import EVENT_TIMESTAMP, USER_VIEWS, full_names
from tests.real_redis import real_redis
from tests.redis_server import dead_url, empty_database
from tests.small_feature_world import random_world, small_world

WORLD = random_world(5, n_ratings=120)


@pytest.fixture(scope="module")
def kept_url(redis_server: str) -> str:
    """The Redis of ``built``."""
    return empty_database(redis_server, 5)


@pytest.fixture(scope="module")
def built(kept_url: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built") / "features"
    return build_features(WORLD, folder, every_days=30, redis_url=kept_url)


def test_features_are_online_packed_and_described(built: Built, kept_url: str) -> None:
    snapshots = built.snapshots
    users, items = user_table(snapshots), item_table(snapshots)
    store = Store(snapshots, kept_url, timeout_s=5)
    latest = users.latest(users.ids, np.int64(snapshots.as_of))

    np.testing.assert_array_equal(store.user_rows(users.ids.tolist()), latest)
    np.testing.assert_array_equal(store.packed_rows(users.ids.tolist()), latest)
    assert not np.isnan(store.item_rows(items.ids.tolist())).all(axis=1).any()
    with connect(kept_url, timeout_s=5) as client:
        assert client.get(layout_key(snapshots.version)) == snapshots.layout_path.read_bytes()
    assert built.figures == {
        "version": snapshots.version,
        "as_of": WORLD.ratings["timestamp"].max() + 1,
        "n_users": WORLD.ratings["user_id"].nunique(),
        "n_items": WORLD.ratings["item_id"].nunique(),
        "n_snapshots": len(snapshots.times),
        "n_genres": 3,
    }


def test_the_page_stands_alone(built: Built) -> None:
    assert "http" not in built.html
    assert "<script" not in built.html
    for text in (built.figures["version"], "online equals offline: passed", "rating_count", "has_genre War", "<svg"):
        assert text in built.html
    assert "failed" not in built.html.partition("<body>")[2]


def test_building_again_starts_anew(built: Built, kept_url: str) -> None:
    """Rows pushed since do not stand in the way of the check that online is what was built."""
    layout, users = built.snapshots.layout, user_table(built.snapshots)
    pushed = frame_of(
        users.latest(users.ids, np.int64(built.snapshots.as_of)) + 1, list(full_names(USER_VIEWS)), layout.user_names
    ).assign(user_id=users.ids, **{EVENT_TIMESTAMP: pd.Timestamp(built.snapshots.as_of + 60, unit="s", tz="UTC")})
    Store(built.snapshots, kept_url, timeout_s=5).push_users(pushed)

    again = build_features(WORLD, built.snapshots.folder, every_days=30, redis_url=kept_url)

    assert again.figures == built.figures


def test_a_build_that_dies_takes_nothing_offline(
    built: Built, kept_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a second build of the same version disturb the first: whoever reads meanwhile finds every row."""

    def die(_stage: str, done: int, *_: object) -> None:
        if done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(build, "report", die)
    with pytest.raises(KeyboardInterrupt):
        build_features(WORLD, tmp_path / "features", every_days=30, redis_url=kept_url)

    assert schema_problems(WORLD, built.snapshots) == []
    users, items = user_table(built.snapshots), item_table(built.snapshots)
    assert online_check(Store(built.snapshots, kept_url, timeout_s=5), users, items, seed=2).problems == []


def test_the_password_is_written_nowhere(tmp_path: Path) -> None:
    """The folder is an artifact of the pipeline, the page another."""
    (tmp_path / "redis").mkdir()
    with real_redis(tmp_path / "redis", "--requirepass", "hush-hush", credentials=":hush-hush@") as server:
        found = build_features(WORLD, tmp_path / "features", every_days=90, redis_url=server.url)
    assert (tmp_path / "features" / "registry.db").is_file()
    for file in (tmp_path / "features").rglob("*"):
        assert file.is_dir() or b"hush" not in file.read_bytes(), file
    assert "hush" not in found.html + str(found.figures) + repr(found.snapshots)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_redis_that_dies_on_the_way_is_told(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After declaring, after materialising, before the checks."""
    (tmp_path / "redis").mkdir()
    with real_redis(tmp_path / "redis") as server:
        monkeypatch.setattr(build, "report", lambda _stage, done, *_: server.kill() if done == step else None)
        with pytest.raises(FeatureStoreError, match="cannot be reached") as raised:
            build_features(WORLD, tmp_path / "features", every_days=90, redis_url=server.url)
    assert "\n" not in str(raised.value)


def test_a_redis_that_takes_nothing_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with (
        real_redis(tmp_path / "redis", "--maxmemory", "1") as server,
        pytest.raises(FeatureStoreError, match="is full"),
    ):
        build_features(WORLD, tmp_path / "features", every_days=90, redis_url=server.url)
    assert not (tmp_path / "features").exists()


#: Ids that mean something to Redis, to a URL, to a glob, to a terminal; and two that are the same number.
ODD = dict(
    zip(range(1, 13), ["a:b", "*", "é ü", "x\ny", "007", "7", "[a]?", "user:1", "%41", "'\"", "\\", " "], strict=True)
)


def renamed(world: Interactions) -> Interactions:
    tables = ("ratings", "items", "genres", "tags")
    ids = {name: [key for key in ("user_id", "item_id") if key in getattr(world, name)] for name in tables}
    return replace(
        world,
        **{
            name: (table := getattr(world, name)).assign(**{key: table[key].map(ODD) for key in ids[name]})
            for name in ids
        },
    )


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(Interactions(WORLD.ratings), id="ratings alone"),
        pytest.param(
            replace(WORLD, tags=WORLD.tags.iloc[:0], genres=WORLD.genres.iloc[:0]),
            id="no tags, no genres",
            marks=pytest.mark.long,
        ),
        pytest.param(replace(WORLD, ratings=WORLD.ratings.assign(timestamp=0)), id="no times", marks=pytest.mark.long),
        pytest.param(Interactions(WORLD.ratings.iloc[:1]), id="one rating"),
        pytest.param(renamed(WORLD), id="odd ids"),
    ],
)
def test_data_of_any_shape_go_online(world: Interactions, redis_url: str, tmp_path: Path) -> None:
    found = build_features(world, tmp_path / "features", every_days=60, redis_url=redis_url)

    expected = features_as_of(world)
    store = Store(found.snapshots, redis_url, timeout_s=5)
    users = expected.users.ids.astype(str).tolist()
    np.testing.assert_array_equal(store.user_rows(users), expected.user)
    np.testing.assert_array_equal(store.packed_rows(users), expected.user)
    np.testing.assert_array_equal(store.item_rows(expected.items.ids.astype(str).tolist()), expected.item)


def test_without_a_redis_nothing_is_computed(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    with pytest.raises(ConfigError, match="REDIS_URL is not set"):
        build_features(WORLD, folder, every_days=30, redis_url="")
    with pytest.raises(FeatureStoreError, match="cannot be reached"):
        build_features(WORLD, folder, every_days=30, redis_url=dead_url())
    assert not folder.exists()


@pytest.mark.parametrize(("concerns", "error"), [("data", DataError), ("online", FeatureStoreError)])
def test_a_check_that_fails_stops_the_build(
    concerns: str, error: type[Exception], redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Check("no leakage", "", ["quality of item 3 …", "another"], concerns)  # type: ignore[arg-type]
    monkeypatch.setattr(build, "leakage_check", lambda *_, **__: failed)

    with pytest.raises(error, match=r"no leakage: quality of item 3 … \(and 1 more\)"):
        build_features(WORLD, tmp_path / "features", every_days=30, redis_url=redis_url)


def test_online_rows_that_are_not_the_snapshots_are_found(built: Built, kept_url: str) -> None:
    users, items = user_table(built.snapshots), item_table(built.snapshots)
    store = Store(built.snapshots, kept_url, timeout_s=5)
    assert online_check(store, users, items, seed=1).problems == []
    place = built.snapshots.layout.user_names.index("rating_mean")
    users.values[:, place] += 0.01

    problems = online_check(store, users, items, seed=1).problems

    assert {line.partition(" of ")[0] for line in problems} == {
        "user: rating_mean",
        "packed user: rating_mean",
        "user x item: quality_gap",
    }


def test_rows_that_are_wrong_missing_or_old_are_found(tmp_path: Path) -> None:
    snapshots = write_snapshots(WORLD, tmp_path / "snapshots", every_days=30)
    later = WORLD.ratings.iloc[:1].assign(user_id=999, timestamp=WORLD.ratings["timestamp"].max() + 100)
    more = replace(WORLD, ratings=pd.concat([WORLD.ratings, later], ignore_index=True))
    assert schema_problems(WORLD, snapshots) == []

    assert schema_problems(more, snapshots) == [
        "1 users with ratings have no row, e.g. 999",
        f"the last snapshot is as of {snapshots.as_of}, expected {snapshots.as_of + 100}",
    ]

    spoiled = pq.read_table(snapshots.user_path).to_pandas()
    spoiled["liked_share"] = np.float32(1.5)
    schema = pq.read_schema(snapshots.user_path)
    pq.write_table(pa.Table.from_pandas(spoiled, schema=schema, preserve_index=False), snapshots.user_path)
    (problem,) = schema_problems(WORLD, snapshots)
    assert "liked_share" in problem


def schema_problems(interactions: Interactions, snapshots: SnapshotSet) -> list[str]:
    return schema_check(interactions, snapshots, user_table(snapshots), item_table(snapshots)).problems


def test_the_sample_has_no_leak() -> None:
    for world in (WORLD, small_world()):
        assert leakage_check(world, seed=3).problems == []


def test_spreads() -> None:
    some = spread("age", "years", np.array([1, 2, 2, 1995.4, np.nan], dtype=np.float32))
    assert (round(some.missing, 6), some.quantiles[0], some.quantiles[2], some.quantiles[-1]) == (0.2, "1", "2", "1995")
    assert (max(some.bars), len(some.bars)) == (28, 24)
    same = spread("age", "years", np.array([3, 3], dtype=np.float32))
    assert (same.missing, same.bars, set(same.quantiles)) == (0, [], {"3"})
    for nothing in (np.array([], dtype=np.float32), np.array([np.nan], dtype=np.float32)):
        assert spread("age", "years", nothing)[2:] == (1.0, [], [])


def test_what_failed_is_on_the_page_and_nothing_is_taken_for_html(tmp_path: Path) -> None:
    world = replace(WORLD, genres=WORLD.genres.assign(genre="<b>War</b>"))
    snapshots = write_snapshots(world, tmp_path / "snapshots", every_days=90)
    checks = [Check("ranges", "all", ["<i>bad</i>"])]

    page = features_html(snapshots, user_table(snapshots), item_table(snapshots), checks)

    assert "<b>War" not in page
    assert "<i>bad" not in page
    assert "&lt;i&gt;bad" in page
    assert "ranges: failed" in page
