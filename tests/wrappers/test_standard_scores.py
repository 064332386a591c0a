"""Scores on one scale."""

from __future__ import annotations

import numpy as np
import pytest

from wrappers.standard_scores import standard_scores


def test_unseen_items_have_mean_0_and_deviation_1() -> None:
    rng = np.random.default_rng(0)
    scores, seen = rng.normal(5, 3, (4, 50)).astype(np.float32), rng.random((4, 50)) < 0.3
    found = standard_scores(scores, seen)
    for row, hidden in zip(found, seen, strict=True):
        assert row[~hidden].mean() == pytest.approx(0, abs=1e-6)
        assert row[~hidden].std() == pytest.approx(1, abs=1e-6)


def test_scale_and_place_of_scores_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    scores, seen = rng.normal(size=(3, 20)).astype(np.float32), np.zeros((3, 20), np.bool_)
    np.testing.assert_allclose(standard_scores(scores * 1e4 - 7, seen), standard_scores(scores, seen), atol=1e-3)


def test_what_cannot_be_scored_counts_0_or_the_least() -> None:
    scores = np.array([[np.nan, 0.0, 2.0, -5.0], [np.nan, np.inf, 2.0, -1.0]], np.float32)
    found = standard_scores(scores, np.array([[False, False, False, True], [False] * 4]))
    assert found[0, 0] == found[0, 1] < found[0, 2]
    assert found[1, 0] == found[1, 1] == found[1, 3] < found[1, 2]
    assert np.isfinite(found).all()


def test_the_only_item_that_can_be_scored_stands_out() -> None:
    found = standard_scores(np.array([[np.nan, 7.0, np.nan]], np.float32), np.zeros((1, 3), np.bool_))[0]
    assert found.argmax() == 1
    assert found[1] > 1


@pytest.mark.parametrize("row", [[np.nan] * 4, [3.0] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3]])
def test_without_differences_all_are_0(row: list[float]) -> None:
    assert (standard_scores(np.array([row], np.float32), np.zeros((1, 4), np.bool_)) == 0).all()


def test_a_user_who_saw_everything_and_nobody_at_all() -> None:
    assert np.isfinite(standard_scores(np.ones((1, 3), np.float32), np.ones((1, 3), np.bool_))).all()
    assert standard_scores(np.empty((0, 3), np.float32), np.empty((0, 3), np.bool_)).shape == (0, 3)


def test_a_row_depends_on_itself_alone() -> None:
    rng = np.random.default_rng(2)
    scores, seen = rng.normal(size=(9, 333)).astype(np.float32), rng.random((9, 333)) < 0.2
    together = standard_scores(scores, seen)
    for row in range(9):
        np.testing.assert_array_equal(standard_scores(scores[[row]], seen[[row]])[0], together[row])
