"""What must hold of features that were built: sound, whole, blind to the future, and online as offline."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions
from feature_repo.agreement import disagreements
from feature_repo.catalogue import CROSS_FEATURES, FeatureLayout, filled
from feature_repo.cross import cross_features
from feature_repo.leakage import leaking
from feature_repo.matrices import after_all, features_as_of
from feature_repo.offline import SnapshotTable
from feature_repo.schemas import check_snapshots
from feature_repo.snapshots import SnapshotSet
from feature_repo.store import Store

#: Pairs of a user and an item that are compared online and offline.
N_PAIRS = 200
#: Users whose ratings alone are computed again without their future.
N_LEAKAGE_USERS = 100


class Check(NamedTuple):
    """One check.

    Attributes:
        name: What is checked, a few words.
        what: How, in a sentence.
        problems: A line each; none: passed.
        concerns: "data": what was computed; "online": what Redis answers.
    """

    name: str
    what: str
    problems: list[str]
    concerns: Literal["data", "online"] = "data"


def schema_check(
    interactions: Interactions, snapshots: SnapshotSet, users: SnapshotTable, items: SnapshotTable
) -> Check:
    """Every value is in its range, everyone has a row, and the last snapshot is as late as the ratings are."""
    problems = list(check_snapshots(snapshots))
    for kind, table, index in (
        ("user", users, interactions.user_index()),
        ("item", items, interactions.item_index()),
    ):
        missing = np.setdiff1d(index.ids.astype(str), table.ids)
        if len(missing):
            problems.append(f"{len(missing)} {kind}s with ratings have no row, e.g. {missing[0]}")
    if snapshots.as_of != after_all(interactions):
        problems.append(f"the last snapshot is as of {snapshots.as_of}, expected {after_all(interactions)}")
    return Check(
        "ranges and freshness",
        "Every value lies in its feature's range, every user and item with a rating has a row, and the last snapshot "
        "knows the latest rating.",
        problems,
    )


def leakage_check(interactions: Interactions, *, seed: int) -> Check:
    """Features as of a moment in the middle of a sample do not change when everything after it is deleted."""
    rng = np.random.default_rng(seed)
    users = interactions.user_index().ids
    chosen = rng.choice(users, min(N_LEAKAGE_USERS, len(users)), replace=False)
    sample = interactions.take(np.flatnonzero(interactions.ratings["user_id"].isin(chosen).to_numpy()))
    # The moment of a rating: so that a feature which looks at the very moment is found too.
    moment = int(np.sort(sample.ratings["timestamp"].to_numpy())[len(sample) // 2])
    return Check(
        "no leakage",
        f"Features of {len(chosen)} users and their items in the middle of their ratings are the same when everything "
        "from that moment on is deleted.",
        leaking(features_as_of, sample, [moment]),
    )


def online_check(store: Store, users: SnapshotTable, items: SnapshotTable, *, seed: int) -> Check:
    """Feast and the packed rows answer, for random users and items, what the snapshots say."""
    rng = np.random.default_rng(seed)
    user_ids, item_ids = rng.choice(users.ids, N_PAIRS), rng.choice(items.ids, N_PAIRS)
    as_of = np.int64(store.snapshots.as_of)
    user, item = users.latest(user_ids, as_of), items.latest(item_ids, as_of)
    online, layout = store.pair_rows(user_ids.tolist(), item_ids.tolist()), store.snapshots.layout
    pairs = [f"{user_id} x {item_id}" for user_id, item_id in zip(user_ids, item_ids, strict=True)]
    cross_names = [one.name for one in CROSS_FEATURES]
    return Check(
        "online equals offline",
        f"For {N_PAIRS} random pairs of a user and an item, Redis answers what the last snapshot says: through Feast, "
        "and packed.",
        [
            *_of("user", disagreements(layout.user_names, user_ids, user, online.user)),
            *_of("item", disagreements(layout.item_names, item_ids, item, online.item)),
            *_of("user x item", disagreements(cross_names, pairs, _cross(layout, user, item), online.cross)),
            *_of("packed user", disagreements(layout.user_names, user_ids, user, store.packed_rows(user_ids.tolist()))),
        ],
        "online",
    )


def _cross(
    layout: FeatureLayout, user: npt.NDArray[np.float32], item: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    return cross_features(layout, filled(user, layout.user_defaults), filled(item, layout.item_defaults))


def _of(kind: str, lines: list[str]) -> list[str]:
    return [f"{kind}: {line}" for line in lines]
