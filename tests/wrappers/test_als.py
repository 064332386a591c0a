"""ALS: implicit's own factors and lists, whatever the threads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from tests.small_interactions import random_interactions
from wrappers.als import ALS

CONFIG = {"embedding_size": 4, "reg": 2.0, "confidence": 3.0, "epochs": 5, "seed": 7}


def test_lists_are_those_of_implicit() -> None:
    ours = ALS(CONFIG).fit(random_interactions(40, 30))
    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(
            factors=4, regularization=2.0, alpha=3.0, iterations=5, num_threads=1, random_state=7
        )
        history = sparse.csr_matrix(ours.known.history)
        theirs.fit(history, show_progress=False)
        items, scores = theirs.recommend(np.arange(40), history, N=5, filter_already_liked_items=True)
    found = ours.recommend(ours.known.users.ids, 5)
    listed = found.item_index >= 0
    np.testing.assert_array_equal(found.item_index[listed], items[listed])
    np.testing.assert_allclose(found.scores[listed], scores[listed], rtol=1e-5)


def test_threads_do_not_change_the_result() -> None:
    data = random_interactions(40, 30)
    one, four = (ALS({**CONFIG, "threads": threads}).fit(data).state() for threads in (1, 4))
    for name, array in one.items():
        np.testing.assert_array_equal(array, four[name])


def test_the_seed_does() -> None:
    data = random_interactions()
    states = [ALS({**CONFIG, "seed": seed}).fit(data).state()["item_factors"] for seed in (1, 2)]
    assert not np.array_equal(*states)


def test_implicit_has_nothing_to_warn_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ALS(CONFIG).fit(random_interactions())


def test_contributions_sum_to_the_score_of_the_users_exact_factors() -> None:
    model = ALS({**CONFIG, "epochs": 15}).fit(random_interactions(40, 30))
    items = model.state()["item_factors"].astype(np.float64)
    for user in (0, 7):
        row = model.known.history.toarray()[user]
        # Eq. 4 of the paper: confidence 3 where rated, 1 elsewhere.
        weight = np.where(row > 0, 3.0, 1.0)
        exact = np.linalg.solve(items.T @ (weight[:, None] * items) + 2.0 * np.eye(4), items.T @ (weight * row))
        rated, parts = model.contributions(user, np.arange(30))
        np.testing.assert_array_equal(rated, np.flatnonzero(row))
        np.testing.assert_allclose(parts.sum(axis=1), items @ exact, atol=1e-5)
        np.testing.assert_allclose(parts.sum(axis=1), model.score(np.array([user]))[0], atol=0.02)


def test_factors_of_another_size_are_refused() -> None:
    fitted = ALS(CONFIG).fit(random_interactions())
    other = ALS({**CONFIG, "embedding_size": 5})
    other.known = fitted.known
    with pytest.raises(ValueError, match=r"factors have shapes \(30, 4\) and \(25, 4\), must have"):
        other.restore(fitted.state())
