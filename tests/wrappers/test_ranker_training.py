"""What a ranker learns from knows nothing of what labels it; a leak that is planted is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.interactions import Interactions
from feature_repo.matrices import FeatureMatrices, features_as_of
from tests.small_interactions import random_interactions
from wrappers.ease import Ease
from wrappers.item_knn import ItemKNN
from wrappers.ranker_training import Division, TrainingRows, divide, training_rows

OPTIONS: dict[str, Any] = {"n_candidates": 8, "liked_rating": 4.0, "max_rows": 10**6, "seed": 0}


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Ratings 0.5 … 5 at times all different, a tag for every fifth of them."""
    made = random_interactions(40, 30)
    rng = np.random.default_rng(3)
    ratings = made.ratings.assign(
        rating=rng.integers(1, 11, len(made)).astype(np.float32) / 2,
        timestamp=10**9 + rng.permutation(len(made)) * 86_400,
    )
    tags = ratings.loc[::5, ["user_id", "item_id", "timestamp"]].assign(tag="good").reset_index(drop=True)
    return replace(made, ratings=ratings, tags=tags)


def altered(division: Division) -> Division:
    """The same pairs of user and item held out, rated the other way round at another time."""
    ratings = division.held_out.ratings
    turned = ratings.assign(rating=(5.5 - ratings["rating"]).astype(np.float32), timestamp=ratings["timestamp"] // 2)
    return division._replace(held_out=replace(division.held_out, ratings=turned))


def rows_of(
    division: Division, features_of: Callable[[Interactions], FeatureMatrices] = features_as_of
) -> TrainingRows:
    # Every held-out rating a label, so that the users to learn from stay the same.
    return training_rows(division, Ease(), features_of=features_of, **{**OPTIONS, "liked_rating": 0.0})


def all_of(division: Division) -> Interactions:
    ratings = pd.concat([division.past.ratings, division.held_out.ratings], ignore_index=True)
    return replace(division.past, ratings=ratings)


def leaks(division: Division, planted: bool) -> bool:
    """Whether the held-out ratings' values and times show in the rows."""

    def leaky(known: Division) -> Callable[[Interactions], FeatureMatrices]:
        return lambda past: features_as_of(all_of(known))

    before, after = (
        rows_of(known, leaky(known) if planted else features_as_of) for known in (division, altered(division))
    )
    return not np.array_equal(before.columns, after.columns)


def test_a_held_out_rating_does_not_show_in_its_row(data: Interactions) -> None:
    assert not leaks(divide(data, 0.3, seed=1), planted=False)


def test_a_planted_leak_is_found(data: Interactions) -> None:
    assert leaks(divide(data, 0.3, seed=1), planted=True)


def test_the_past_holds_no_trace_of_what_is_held_out(data: Interactions) -> None:
    division = divide(data, 0.3, seed=1)
    pair = ["user_id", "item_id"]
    past, held_out = (set(part.ratings[pair].itertuples(index=False, name=None)) for part in division)
    assert past.isdisjoint(held_out)
    assert len(past | held_out) == len(data)
    tagged = set(division.past.tags[pair].itertuples(index=False, name=None))
    assert tagged
    assert tagged <= past
    assert set(data.tags[pair].itertuples(index=False, name=None)) & held_out, "the data has tags that would tell"


def test_the_retriever_learns_from_the_past_alone(data: Interactions) -> None:
    division = divide(data, 0.3, seed=1)
    retriever = Ease()
    training_rows(division, retriever, **OPTIONS)
    assert retriever.known.history.nnz == len(division.past)


def test_labels_are_the_held_out_ratings_that_are_high_enough(data: Interactions) -> None:
    division = divide(data, 0.3, seed=1)
    retriever = Ease()
    rows = training_rows(division, retriever, **OPTIONS)
    held_out = division.held_out.ratings
    liked = set(held_out.loc[held_out["rating"] >= 4, ["user_id", "item_id"]].itertuples(index=False, name=None))
    user_ids = sorted({user for user, item in liked if item in retriever.known.items.ids})
    found = retriever.recommend(user_ids, OPTIONS["n_candidates"])
    expected = [
        [(user, retriever.known.items.ids[item]) in liked for item in items[items >= 0]]
        for user, items in zip(user_ids, found.item_index, strict=True)
    ]
    assert rows.positive.tolist() == list(chain.from_iterable(expected))
    assert rows.per_user.tolist() == [len(one) for one in expected]
    assert rows.tell_apart
    np.testing.assert_allclose(rows.typical_scores, np.nanmean(found.scores, axis=0), rtol=1e-6)


def test_users_beyond_the_limit_are_left_out(data: Interactions) -> None:
    division = divide(data, 0.3, seed=1)
    rows = training_rows(division, Ease(), **{**OPTIONS, "max_rows": 40})
    assert len(rows.per_user) == 5
    again = training_rows(division, Ease(), **{**OPTIONS, "max_rows": 40})
    np.testing.assert_array_equal(rows.columns, again.columns)
    other = training_rows(division, Ease(), **{**OPTIONS, "max_rows": 40, "seed": 1})
    assert rows.columns.shape != other.columns.shape or not np.array_equal(rows.columns, other.columns)


def test_users_of_whom_the_retriever_knows_nothing_teach_nothing() -> None:
    """User 9 alone rated items 90, 91: no neighbours, hence popularity instead of candidates."""
    made = random_interactions(10, 12)
    alone = pd.DataFrame({"user_id": 99, "item_id": np.arange(90, 95), "rating": np.float32(5), "timestamp": 5})
    data = replace(made, ratings=pd.concat([made.ratings, alone], ignore_index=True))
    division = divide(data, 0.5, seed=0)
    retriever = ItemKNN()
    rows = training_rows(division, retriever, **OPTIONS)
    held_out = division.held_out.ratings["user_id"].unique()
    assert 99 in held_out
    assert len(rows.per_user) <= len(held_out) - 1


def test_nothing_held_out_gives_no_rows() -> None:
    data = random_interactions(5, 6)
    rows = training_rows(divide(data, 0.01, seed=0), Ease(), **OPTIONS)
    assert rows.columns.shape[0] == len(rows.positive) == len(rows.per_user) == 0
    assert not rows.tell_apart
    assert rows.typical_scores.tolist() == [0.0] * 8
