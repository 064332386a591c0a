"""Whole items held out, and how well they are ranked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import roc_auc_score

from evaluation.cold_items import auc_per_user, hold_out_items


@given(st.lists(st.integers(0, 30), max_size=200), st.floats(0.01, 0.99), st.integers(0, 5))
def test_no_item_is_on_both_sides(items: list[int], share: float, seed: int) -> None:
    ids = np.array([f"item {item}" for item in items])
    split = hold_out_items(ids, share, seed)
    assert np.sort(np.concatenate(split)).tolist() == list(range(len(ids)))
    assert not np.intersect1d(ids[split.train], ids[split.test]).size
    assert len(np.unique(ids[split.test])) == int(share * len(np.unique(ids)))


def test_the_seed_decides() -> None:
    items = np.arange(1000) % 97
    first, again, other = (hold_out_items(items, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, again.test)
    assert len(np.setdiff1d(first.test, other.test))


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_shares_that_leave_a_side_empty_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"test_fraction == .*, must be > 0 and < 1"):
        hold_out_items([1, 2, 3], share, 0)


def test_auc_is_that_of_scikit_learn_for_every_user() -> None:
    rng = np.random.default_rng(0)
    liked = rng.random((40, 30)) < 0.2
    scores = np.round(rng.normal(size=liked.shape) + liked, 1)
    expected = [roc_auc_score(truth, given) for truth, given in zip(liked, scores, strict=True)]
    np.testing.assert_allclose(auc_per_user(scores, sparse.csr_array(liked.astype(np.float32))), expected, rtol=1e-12)


def test_what_cannot_be_scored_comes_last_and_who_liked_none_or_all_has_no_auc() -> None:
    scores = np.array([[np.nan, 0.0, -1.0], [1, 2, 3], [1, 2, 3]])
    liked = sparse.csr_array(np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1]]))
    np.testing.assert_array_equal(auc_per_user(scores, liked), [0.0, np.nan, np.nan])
    assert auc_per_user(np.empty((0, 3)), sparse.csr_array((0, 3))).shape == (0,)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores has shape \(2, 3\), liked \(2, 4\)"):
        auc_per_user(np.zeros((2, 3)), sparse.csr_array((2, 4)))
