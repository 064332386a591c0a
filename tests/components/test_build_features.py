"""build-features, called as the function it is, against a real Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from kfp import dsl

from components.build_features import build_features
from core.errors import ConfigError
from events.database import opened
from events.tables import latest_rows
from feature_repo.matrices import features_as_of, features_version
from feature_repo.packed import layout_key, read_packed
from feature_repo.redis_client import connect
from feature_repo.rows import layout_of
from feature_repo.snapshots import read_snapshots
from loaders.base import SplitRule
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.synthetic import SyntheticDataLoader
from tests.redis_server import running_redis


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> dsl.Dataset:
    folder = tmp_path_factory.mktemp("dataset")
    write_prepared(SyntheticDataLoader(7, n_users=60, n_items=120, split=SplitRule()), folder / "prepared")
    return dsl.Dataset(uri=str(folder / "prepared"))


def test_models_find_the_features_of_the_training_part(
    dataset: dsl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, report = dsl.Dataset(uri=str(tmp_path / "features")), dsl.HTML(uri=str(tmp_path / "report.html"))
    with running_redis(tmp_path / "redis") as url:
        monkeypatch.setenv("REDIS_URL", url)
        monkeypatch.setenv("SCREENTEST_EVENTS_URL", f"sqlite:///{tmp_path / 'events.db'}")

        build_features.python_func(dataset=dataset, every_days=30, features=features, report=report)

        known = PreparedDataLoader(dataset.path).train()
        version, matrices = features_version(known, layout_of(known)), features_as_of(known)
        with connect(url, timeout_s=5) as client:
            users = matrices.users.ids.astype(str).tolist()
            packed = read_packed(client, version, users, len(matrices.layout.user_names))
            assert client.exists(layout_key(version))
    assert packed.tobytes() == matrices.user.tobytes()
    assert read_snapshots(features.path).version == version == features.metadata["version"]
    assert "<html" in Path(report.path).read_text(encoding="utf-8")
    with opened(f"sqlite:///{tmp_path / 'events.db'}") as engine:
        [kept] = latest_rows(engine, "features", limit=2)
    assert (kept["version"], kept["users"], kept["items"]) == (version, len(users), len(matrices.items.ids))
    assert {("user", "rating_count"), ("user", "genre_share"), ("item", "quality")} <= {
        (one["entity"], one["name"]) for one in kept["definitions"]
    }
    assert kept["provenance"]["data.source"] == "synthetic"


def test_without_a_redis_the_step_says_what_to_do(
    dataset: dsl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    features, report = dsl.Dataset(uri=str(tmp_path / "features")), dsl.HTML(uri=str(tmp_path / "report.html"))

    with pytest.raises(ConfigError, match="REDIS_URL is not set"):
        build_features.python_func(dataset=dataset, every_days=30, features=features, report=report)
