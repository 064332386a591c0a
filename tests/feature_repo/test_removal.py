"""A version is removed, whole, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from feature_repo import removal
from feature_repo.packed import write_packed
from feature_repo.redis_client import connect
from feature_repo.removal import remove_version
from feature_repo.snapshots import write_snapshots
from feature_repo.store import Store
from tests.small_feature_world import random_world


def online(seed: int, url: str, folder: Path) -> Store:
    """Another version of features, in Feast and packed."""
    store = Store(write_snapshots(random_world(seed), folder / str(seed), every_days=90), url, timeout_s=5)
    store.apply()
    store.materialise()
    # Ten letters: a line feed in Feast's key, which tells how long an id is.
    users = ["1", "2", "ten-letter"]
    with connect(url, timeout_s=5) as client:
        write_packed(client, store.snapshots.version, users, store.user_rows(users), "{}")
    return store


def test_a_version_goes_and_others_stay(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_CHUNK", 3)
    stays = online(1, redis_url, tmp_path)
    with connect(redis_url, timeout_s=5) as client:
        client.set("somebody else's", "yes")
        others = sorted(client.keys())
        goes = online(2, redis_url, tmp_path)
        n = client.dbsize() - len(others)

        assert remove_version(client, goes.snapshots.version) == n > 20
        assert sorted(client.keys()) == others
        assert remove_version(client, goes.snapshots.version) == 0
    assert np.isnan(goes.user_rows(["1"])).all()
    assert not np.isnan(stays.user_rows(["1"])).all()


@pytest.mark.parametrize("version", ["", "*", "abc", "0123456789a?", "0123456789ab\n"])
def test_what_is_no_version_is_refused(version: str, redis_url: str) -> None:
    with connect(redis_url, timeout_s=5) as client, pytest.raises(ConfigError, match="is no version of features"):
        remove_version(client, version)
