"""Neighbours in time by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.interactions import Interactions
from tests.small_interactions import interactions_of, random_interactions
from wrappers.sequence_knn import SequenceKNN


def in_time(users: list[int], items: list[int], seconds: list[int]) -> Interactions:
    data = interactions_of(users, items)
    return replace(data, ratings=data.ratings.assign(timestamp=np.array(seconds, np.int64)))


#: User 1 rates 10, 20, 30 in this order, whatever the order of rows; user 2 rates 20, 30; user 3 rates 10.
DATA = in_time([1, 1, 1, 2, 2, 3], [30, 10, 20, 20, 30, 10], [300, 100, 200, 7, 8, 5])


def test_similarity_by_hand() -> None:
    model = SequenceKNN({"window": 2, "shrinkage": 1.0}).fit(DATA)
    # Every item has two users. 20 and 30 stand side by side twice, 10 and 20 once, 10 and 30 two apart once.
    near_10_20, near_20_30, near_10_30 = 1 / 3, 2 / 3, 0.5 / 3
    scores = model.score(np.array([0, 1, 2]))
    np.testing.assert_allclose(
        scores,
        [
            [near_10_20 + near_10_30, near_10_20 + near_20_30, near_10_30 + near_20_30],
            [near_10_20 + near_10_30, near_20_30, near_20_30],
            [np.nan, near_10_20, near_10_30],
        ],
        rtol=1e-6,
    )


def test_what_is_further_apart_than_the_window_is_not_near() -> None:
    model = SequenceKNN({"window": 1, "shrinkage": 1.0}).fit(DATA)
    assert np.isnan(model.score(np.array([2]))[0, 2])


def test_only_the_nearest_neighbours_are_kept() -> None:
    model = SequenceKNN({"window": 2, "shrinkage": 1.0, "neighbours": 1}).fit(DATA)
    # 30's nearest is 20, so that 10 does not speak for it.
    np.testing.assert_allclose(model.score(np.array([2]))[0], [np.nan, np.nan, np.nan])
    np.testing.assert_allclose(model.score(np.array([1]))[0], [1 / 3, 2 / 3, 2 / 3], rtol=1e-6)


def test_of_equally_near_ones_the_first_are_kept() -> None:
    """Against every pair's nearness in a dense matrix, sorted."""
    data = random_interactions(40, 30)
    every, some = (SequenceKNN({"window": 3, "neighbours": n}).fit(data)._similarity.toarray().T for n in (30, 4))
    expected = np.zeros_like(every)
    for target, near in enumerate(every):
        best = np.argsort(-near, kind="stable")[:4]
        expected[target, best] = near[best]
    assert (np.diff(np.sort(every, axis=1)) == 0).any()
    np.testing.assert_array_equal(some, expected)


def test_recency_weighs_the_latest_most() -> None:
    model = SequenceKNN({"window": 2, "shrinkage": 1.0, "recency": 1.0}).fit(DATA)
    # User 1's latest is 30, before it 20, which counts half, and 10, which counts a third.
    expected = [1 / 3 / 2 + 0.5 / 3, 1 / 3 / 3 + 2 / 3, 0.5 / 3 / 3 + 2 / 3 / 2]
    np.testing.assert_allclose(model.score(np.array([0]))[0], expected, rtol=1e-6)


@pytest.mark.parametrize("recency", [0.0, 0.7])
def test_contributions_sum_to_the_score(recency: float) -> None:
    model = SequenceKNN({"recency": recency}).fit(random_interactions())
    items = np.array([3, 0, 7])
    for user in (0, 5):
        rated, parts = model.contributions(user, items)
        assert rated.tolist() == model.known.history[[user]].indices.tolist()
        np.testing.assert_allclose(parts.sum(axis=1), np.nan_to_num(model.score(np.array([user]))[0, items]), rtol=1e-5)


def test_a_single_rating_has_no_neighbours() -> None:
    model = SequenceKNN().fit(interactions_of([1], [5]))
    assert np.isnan(model.score(np.array([0]))).all()
