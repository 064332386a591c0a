"""Features from ratings to Redis: snapshots, Feast, packed rows; then every check, and a page about it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigError, DataError, FeatureStoreError
from core.interactions import Interactions
from core.progress import report
from feature_repo.catalogue import ITEM_FEATURES, ITEM_GENRE_FEATURES, USER_FEATURES, USER_GENRE_FEATURES
from feature_repo.checks import Check, leakage_check, online_check, schema_check
from feature_repo.offline import SnapshotTable, item_table, user_table
from feature_repo.packed import write_packed
from feature_repo.redis_client import BULK_TIMEOUT_S, check_writable, connect, refusals
from feature_repo.report import features_html
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.store import Store

_STEPS = 4


@dataclass(frozen=True)
class Built:
    """Features that are online.

    Attributes:
        snapshots: The same, offline.
        figures: For an artifact's metadata: version, as_of, n_users, n_items, n_snapshots, n_genres.
        html: A page that describes them, checks included.
    """

    snapshots: SnapshotSet
    figures: dict[str, Any]
    html: str

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """What was built, feature by feature: entity, name, default, meaning; one per genre counts once."""
        entities = {"user": (*USER_FEATURES, *USER_GENRE_FEATURES), "item": (*ITEM_FEATURES, *ITEM_GENRE_FEATURES)}
        return [{"entity": entity, **one._asdict()} for entity, features in entities.items() for one in features]


def build_features(
    interactions: Interactions, folder: str | Path, *, every_days: int, redis_url: str, seed: int = 0
) -> Built:
    """Compute features, put them online and make sure that they are what they should be.

    Rows of the same version that are online already, pushed ones included, are overwritten one by one: two builds of it
    at once write the same, and nobody finds a row missing. Rows pushed of users and items that the data lack stay.

    Args:
        interactions: What may be known: the ratings that models learn from.
        folder: Receives the snapshots and Feast's registry; new, empty or one of snapshots.
        every_days: Days between two snapshots, at least 1.
        redis_url: Where they go online.
        seed: Of the samples that are checked.

    Raises:
        ConfigError: ``redis_url`` is empty or no address, or the folder holds something else.
        DataError: There is no rating, or a check of what was computed fails.
        FeatureStoreError: Redis or Feast cannot be reached or refuses, or online is not what is offline.
    """
    if not redis_url:
        raise ConfigError("REDIS_URL is not set; building features needs the Redis that will serve them")
    # Before minutes of work rather than after.
    check_writable(redis_url, timeout_s=BULK_TIMEOUT_S)
    snapshots = write_snapshots(interactions, folder, every_days=every_days)
    users, items = user_table(snapshots), item_table(snapshots)
    progress = partial(report, "online")
    store = _put_online(snapshots, users, redis_url, progress)
    progress(3, _STEPS, "checks")
    checks = [
        schema_check(interactions, snapshots, users, items),
        leakage_check(interactions, seed=seed),
        online_check(store, users, items, seed=seed),
    ]
    _insist(checks, snapshots)
    progress(4, _STEPS, "checked")
    figures = {
        "version": snapshots.version,
        "as_of": snapshots.as_of,
        "n_users": len(users.ids),
        "n_items": len(items.ids),
        "n_snapshots": len(snapshots.times),
        "n_genres": len(snapshots.layout.genres),
    }
    return Built(snapshots, figures, features_html(snapshots, users, items, checks))


def _put_online(
    snapshots: SnapshotSet, users: SnapshotTable, url: str, progress: Callable[[int, int, str], None]
) -> Store:
    store = Store(snapshots, url, timeout_s=BULK_TIMEOUT_S)
    store.apply()
    progress(1, _STEPS, "declared to Feast")
    store.materialise(overwrite=True)
    progress(2, _STEPS, "in Redis")
    latest = users.latest(users.ids, np.int64(snapshots.as_of))
    with refusals(url), connect(url, timeout_s=BULK_TIMEOUT_S) as client:
        layout = snapshots.layout_path.read_text(encoding="utf-8")
        write_packed(client, snapshots.version, users.ids.tolist(), latest, layout)
    return store


def _insist(checks: list[Check], snapshots: SnapshotSet) -> None:
    for one in checks:
        if one.problems:
            more = f" (and {len(one.problems) - 1} more)" if len(one.problems) > 1 else ""
            text = f"{one.name}: {one.problems[0]}{more}"
            if one.concerns == "online":
                raise FeatureStoreError(f"{text}; build the features of {snapshots.folder} again")
            raise DataError(text, file=str(snapshots.folder))
