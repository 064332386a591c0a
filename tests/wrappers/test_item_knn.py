"""Item-kNN by hand, and in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.small_interactions import interactions_of, random_interactions
from wrappers import blocks
from wrappers.item_knn import ItemKNN


def test_scores_computed_by_hand() -> None:
    # Items 1 and 2 share users 1, 2; items 2 and 3 share user 3; item 4 shares nobody.
    data = interactions_of([1, 1, 2, 2, 3, 3, 4], [1, 2, 1, 2, 2, 3, 4])
    model = ItemKNN({"neighbours": 3, "shrinkage": 1.0}).fit(data)
    sim_12 = 2 / (np.sqrt(2 * 3) + 1)
    sim_23 = 1 / (np.sqrt(3 * 1) + 1)
    nan = np.nan
    expected = [[sim_12, sim_12, sim_23, nan], [nan, sim_23, sim_23, nan], [nan, nan, nan, nan]]
    scores = model.score(np.array([0, 2, 3]))
    # User 3 rated items 2 and 3, so item 1 is a neighbour of item 2.
    expected[1][0] = sim_12
    np.testing.assert_allclose(scores, np.array(expected, np.float32), rtol=1e-6)


def test_each_item_listens_to_its_own_nearest_neighbours_only() -> None:
    data = random_interactions(40, 30)
    model = ItemKNN({"neighbours": 4, "shrinkage": 2.0}).fit(data)
    history = model.known.history.toarray().astype(np.float64)
    together = history.T @ history
    norm = np.sqrt(np.diagonal(together))
    similarity = together / (np.outer(norm, norm) + 2.0)
    np.fill_diagonal(similarity, 0.0)
    # Equal similarities: the item with the lower index is the nearer one.
    further = np.argsort(-similarity, axis=1, kind="stable")[:, 4:]
    np.put_along_axis(similarity, further, 0.0, axis=1)
    expected = history @ similarity.T
    np.testing.assert_allclose(np.nan_to_num(model.score(np.arange(40))), expected, rtol=1e-5)


def test_contributions_are_the_similarities_that_the_score_sums() -> None:
    model = ItemKNN({"neighbours": 4, "shrinkage": 2.0}).fit(random_interactions(40, 30))
    for user in (0, 20):
        rated, parts = model.contributions(user, np.arange(30))
        np.testing.assert_array_equal(rated, np.flatnonzero(model.known.history.toarray()[user]))
        np.testing.assert_allclose(parts.sum(axis=1), np.nan_to_num(model.score(np.array([user])))[0], rtol=1e-6)
        assert ((parts > 0).sum(axis=1) <= 4).all()


def test_a_user_whose_items_nobody_else_rated_is_cold() -> None:
    model = ItemKNN().fit(interactions_of([1, 1, 2, 3], [1, 2, 1, 9]))
    assert model.recommend([3, 2], 2).cold.tolist() == [True, False]


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_interactions(40, 30)
    whole = ItemKNN().fit(data)
    expected = whole.state(), whole.recommend(whole.known.users.ids, 6)
    monkeypatch.setattr(blocks, "CELLS", 70)
    parted = ItemKNN().fit(data)
    for name, array in parted.state().items():
        np.testing.assert_array_equal(array, expected[0][name])
    lists = parted.recommend(parted.known.users.ids, 6, exclude=[[100]] * 40)
    monkeypatch.undo()
    for here, there in zip(lists, whole.recommend(whole.known.users.ids, 6, exclude=[[100]] * 40), strict=True):
        np.testing.assert_array_equal(here, there)
