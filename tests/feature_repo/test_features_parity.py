"""Features equal what their meanings say, computed one user and one item at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.interactions import Interactions
from feature_repo.leakage import before
from feature_repo.matrices import FeatureMatrices, features_as_of
from loaders.local import LocalDataLoader
from tests.naive_features import naive_item, naive_user
from tests.small_feature_world import random_world


def assert_equal_to_meanings(interactions: Interactions, features: FeatureMatrices, n: int, seed: int) -> None:
    """Up to n users and n items, drawn, against their meanings; whoever has no rating yet is all NaN."""
    rng = np.random.default_rng(seed)
    known, layout = before(interactions, features.as_of), features.layout
    for kind, ids, rows, names, naive in (
        ("user_id", features.users.ids, features.user, layout.user_names, naive_user),
        ("item_id", features.items.ids, features.item, layout.item_names, naive_item),
    ):
        rated = set(known.ratings[kind])
        for place in rng.choice(len(ids), size=min(n, len(ids)), replace=False):
            if ids[place] not in rated:
                assert np.isnan(rows[place]).all()
                continue
            expected = naive(known, ids[place], features.as_of, layout)
            assert set(expected) == set(names)
            for name, value in zip(names, rows[place].tolist(), strict=True):
                assert value == pytest.approx(expected[name], rel=1e-6, abs=2e-6, nan_ok=True), (ids[place], name)


@pytest.mark.parametrize("text_ids", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_random_worlds(seed: int, text_ids: bool) -> None:
    world = random_world(seed, text_ids=text_ids)
    as_of = int(world.ratings["timestamp"].quantile(0.25 + 0.2 * seed, interpolation="lower"))
    assert_equal_to_meanings(world, features_as_of(world, as_of), n=10, seed=seed)


@pytest.mark.real_data
@pytest.mark.parametrize("when", [0.1, 0.6, 1.0])
@pytest.mark.long
def test_real_ratings(movielens: Path, when: float) -> None:
    interactions = LocalDataLoader(movielens).load()
    as_of = None if when == 1.0 else int(interactions.ratings["timestamp"].quantile(when))
    features = features_as_of(interactions, as_of)
    assert_equal_to_meanings(interactions, features, n=15, seed=int(100 * when))
