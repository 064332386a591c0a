"""No feature knows the future, and one that does is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import UNKNOWN
from core.interactions import Interactions
from feature_repo.leakage import before, leaking
from feature_repo.matrices import FeatureMatrices, features_as_of
from loaders.local import LocalDataLoader
from tests.small_feature_world import AS_OF, random_world, small_world


def at_the_moment_too(interactions: Interactions, as_of: int) -> FeatureMatrices:
    """Leaky: knows ``timestamp <= as_of``."""
    return features_as_of(interactions, as_of + 1)


def quality_of_all_times(interactions: Interactions, as_of: int) -> FeatureMatrices:
    """Leaky in one column: an item's quality is the best rating in the whole data."""
    features = features_as_of(interactions, as_of)
    best = interactions.ratings.groupby("item_id")["rating"].max()
    column = features.layout.item_names.index("quality")
    features.item[:, column] = np.where(np.isnan(features.item[:, 0]), np.nan, best[features.items.ids].to_numpy())
    return features


def all_tags(interactions: Interactions, as_of: int) -> FeatureMatrices:
    """Leaky: late tags count, too."""
    tags = interactions.tags.assign(timestamp=0)
    return features_as_of(replace(interactions, tags=tags), as_of)


def genres_rated_so_far(interactions: Interactions, as_of: int) -> FeatureMatrices:
    """Leaky: the layout has the genres of items rated at any time."""
    rated = interactions.genres["item_id"].isin(interactions.ratings["item_id"])
    return features_as_of(replace(interactions, genres=interactions.genres[rated]), as_of)


def test_ours_do_not_leak() -> None:
    assert leaking(features_as_of, small_world(), [AS_OF, AS_OF + 1, AS_OF + 2]) == []


@settings(max_examples=4)
@given(seed=st.integers(0, 10_000), row=st.integers(0, 59))
@pytest.mark.long
def test_the_future_changes_nothing(seed: int, row: int) -> None:
    world = random_world(seed)
    time = int(world.ratings["timestamp"].iloc[row])
    whole, past = features_as_of(world, time), features_as_of(before(world, time), time)
    for ids, rows, past_ids, past_rows in (
        (whole.users, whole.user, past.users, past.user),
        (whole.items, whole.item, past.items, past.item),
    ):
        place = past_ids.index_of(ids.ids)
        np.testing.assert_array_equal(rows[place != UNKNOWN], past_rows[place[place != UNKNOWN]])
        assert np.isnan(rows[place == UNKNOWN]).all()


@pytest.mark.parametrize(
    ("leaky", "features"),
    [
        (at_the_moment_too, {"rating_count of user 3", "rating_mean of user 3", "quality of item 10"}),
        (quality_of_all_times, {"quality of item 10"}),
        (all_tags, {"tag_count of item 10", "tag_diversity of item 10"}),
    ],
)
def test_a_leak_is_found(leaky: Callable[[Interactions, int], FeatureMatrices], features: set[str]) -> None:
    lines = leaking(leaky, small_world(), [AS_OF])
    found = {line.partition(" as of ")[0] for line in lines}
    assert features <= found
    if leaky is not at_the_moment_too:
        assert found == features
    assert all("\n" not in line for line in lines)


def test_a_leak_tells_both_values() -> None:
    (line,) = leaking(quality_of_all_times, small_world(), [AS_OF])
    assert line == f"quality of item 10 as of {AS_OF} is 5, but 4 without what happens at or after it (1 rows)"


def test_a_leak_in_the_layout_is_found() -> None:
    world = small_world()
    early = world.ratings["timestamp"].min() + 1
    (line,) = leaking(genres_rated_so_far, replace(world, genres=world.genres.assign(genre=list("abcd"))), [early])
    assert line == f"the genres as of {early} depend on what happens at or after it"


@pytest.mark.real_data
@pytest.mark.long
def test_real_ratings_do_not_leak(movielens: Path) -> None:
    interactions = LocalDataLoader(movielens).load()
    times = interactions.ratings["timestamp"].quantile([0.3, 0.8], interpolation="lower").astype(int).tolist()
    assert leaking(features_as_of, interactions, times) == []
    assert leaking(at_the_moment_too, interactions, times)
