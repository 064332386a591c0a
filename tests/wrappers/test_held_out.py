"""What a network is validated on: held out once, ranked by the definition."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tests.small_interactions import random_interactions
from wrappers.held_out import HeldOut, hold_out, mean_ndcg
from wrappers.training_data import TrainingData


def test_each_user_gives_her_share_and_nothing_is_lost() -> None:
    history = TrainingData.of(random_interactions(200, 60)).history
    found = hold_out(history, 0.1, 1000, seed=0)
    dense = found.learned.toarray()
    assert dense[found.users[found.row], found.item].sum() == 0
    dense[found.users[found.row], found.item] = 1
    np.testing.assert_array_equal(dense, history.toarray())
    n_rated = np.diff(history.indptr)
    assert found.users.tolist() == np.flatnonzero(n_rated >= 5).tolist()
    np.testing.assert_array_equal(np.bincount(found.row), np.ceil(n_rated[found.users] * 0.1))


def test_only_some_users_where_there_are_many() -> None:
    history = TrainingData.of(random_interactions(200, 60)).history
    first, again, other = (hold_out(history, 0.1, 20, seed) for seed in (1, 1, 2))
    assert len(first.users) == 20
    assert first.item.tolist() == again.item.tolist()
    assert first.users.tolist() == again.users.tolist() != other.users.tolist()


def test_nothing_may_be_held_out() -> None:
    history = TrainingData.of(random_interactions()).history
    found = hold_out(history, 0.0, 10, seed=0)
    assert len(found.users) == len(found.item) == 0
    assert found.learned.nnz == history.nnz


def test_scores_that_are_no_numbers_have_no_ndcg() -> None:
    held_out = HeldOut(sparse.csr_array((1, 3), dtype=np.float32), np.array([0]), np.array([0]), np.array([2]))
    # Nothing is larger than NaN, which would make it the best of all.
    assert np.isnan(mean_ndcg(np.full((1, 3), np.nan, np.float32), held_out))


def test_ndcg_is_that_among_what_was_not_learned() -> None:
    learned = sparse.csr_array(np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32))
    # The first: item 0 was learned, item 2 is second behind 4; item 3 is last, its equal 1 ahead of it.
    scores = np.array([[9, 1, 2, 1, 3], [0, 0, 0, 0, 1]], np.float32)
    held_out = HeldOut(learned, np.array([1, 2]), np.array([0, 0, 1]), np.array([2, 3, 4]))
    first, second, fourth = 1.0, 1 / np.log2(3), 1 / np.log2(5)
    assert np.isclose(mean_ndcg(scores.copy(), held_out), ((second + fourth) / (first + second) + 1) / 2)
    assert np.isclose(mean_ndcg(scores.copy(), held_out, k=2), (second / (first + second) + 1) / 2)
    assert np.isclose(mean_ndcg(scores.copy(), held_out, k=1), (0 + 1) / 2)
