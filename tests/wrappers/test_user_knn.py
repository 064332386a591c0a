"""User-kNN against the definition on dense matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from core.ids import IdIndex
from tests.small_interactions import interactions_of, random_interactions
from wrappers import blocks
from wrappers.training_data import TrainingData
from wrappers.user_knn import UserKNN


def dense_similarity(history: npt.NDArray[np.float64], neighbours: int, shrinkage: float) -> npt.NDArray[np.float64]:
    """(n_users, n_users); equally similar users: the one with the lower index is the nearer."""
    in_common = history @ history.T
    norm = np.sqrt(np.diagonal(in_common))
    similarity = in_common / (np.outer(norm, norm) + shrinkage)
    np.fill_diagonal(similarity, 0.0)
    further = np.argsort(-similarity, axis=1, kind="stable")[:, neighbours:]
    np.put_along_axis(similarity, further, 0.0, axis=1)
    return similarity


def test_scores_computed_by_hand() -> None:
    # Users 1 and 2 share item 1; users 2 and 3 share items 2 and 3; user 4 shares nothing.
    data = interactions_of([1, 2, 2, 2, 3, 3, 3, 4], [1, 1, 2, 3, 2, 3, 4, 5])
    model = UserKNN({"neighbours": 2, "shrinkage": 1.0}).fit(data)
    sim_12, sim_23, nan = 1 / (np.sqrt(1 * 3) + 1), 2 / (np.sqrt(3 * 3) + 1), np.nan
    expected = [[sim_12, sim_12, sim_12, nan, nan], [sim_12, sim_23, sim_23, sim_23, nan], [nan] * 5]
    np.testing.assert_allclose(model.score(np.array([0, 1, 3])), np.array(expected, np.float32), rtol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
def test_each_user_listens_to_the_nearest_only(shrinkage: float) -> None:
    model = UserKNN({"neighbours": 5, "shrinkage": shrinkage}).fit(random_interactions(40, 30))
    history = model.known.history.toarray().astype(np.float64)
    expected = dense_similarity(history, 5, shrinkage) @ history
    np.testing.assert_allclose(np.nan_to_num(model.score(np.arange(40))), expected, rtol=1e-5)


def test_contributions_are_what_each_rated_item_adds_to_the_similarities() -> None:
    model = UserKNN({"neighbours": 6, "shrinkage": 2.0}).fit(random_interactions(40, 30))
    history = model.known.history.toarray().astype(np.float64)
    similarity = dense_similarity(history, 6, 2.0)
    for user in (0, 7, 39):
        items = np.flatnonzero(history[user] == 0)
        rated, parts = model.contributions(user, items)
        np.testing.assert_array_equal(rated, np.flatnonzero(history[user]))
        np.testing.assert_allclose(parts.sum(axis=1), np.nan_to_num(model.score(np.array([user]))[0, items]), rtol=1e-5)
        # Each neighbour that rated the item gives it an equal part for every item in common.
        for place, item in enumerate(rated):
            of_each = similarity[user] / np.maximum(history @ history[user], 1) * history[:, item]
            np.testing.assert_allclose(parts[:, place], of_each @ history[:, items], rtol=1e-5, atol=1e-9)


def test_a_user_without_ratings_is_nobodys_neighbour() -> None:
    history = TrainingData.of(random_interactions(10, 12)).history.tolil()
    history[3] = 0
    full = TrainingData.of(random_interactions(10, 12))
    known = TrainingData(IdIndex(np.arange(10)), full.items, history.tocsr(), full.catalogue)
    model = UserKNN({"shrinkage": 0}).fit_known(known)
    assert np.isnan(model.score(np.array([3]))).all()
    assert np.isfinite(model.state()["data"]).all()
    assert 3 not in model.state()["indices"]


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_interactions(40, 30)
    whole = UserKNN().fit(data).state()
    monkeypatch.setattr(blocks, "CELLS", 70)
    for name, array in UserKNN().fit(data).state().items():
        np.testing.assert_array_equal(array, whole[name])
