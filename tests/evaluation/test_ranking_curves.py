"""Curves of whole rankings, against the curves of each user's own rows, drawn one after another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics

from evaluation.full_ranks import FullRanks, full_ranks
from evaluation.ranking_curves import GRID, RECALL_LEVELS, RankingCurves, ranking_curves

N_USERS, N_ITEMS, N_NEW = 40, 30, 3


class Case:
    """Users with scores of 30 items, some seen, some without a score, many tied; 3 more items are unknown."""

    def __init__(self, seed: int, digits: int) -> None:
        rng = np.random.default_rng(seed)
        self.scores = np.round(rng.normal(size=(N_USERS, N_ITEMS)), digits).astype(np.float32)
        self.seen = rng.random((N_USERS, N_ITEMS)) < 0.2
        self.scores[self.seen | (rng.random((N_USERS, N_ITEMS)) < 0.1)] = np.nan
        self.scores[0] = np.nan
        relevant = rng.random((N_USERS, N_ITEMS + N_NEW)) < 0.15
        relevant[:, :N_ITEMS] &= ~self.seen
        relevant[1] = False
        self.relevant = relevant
        self.n_candidates = N_ITEMS + N_NEW - self.seen.sum(axis=1)

    def ranks(self, start: int = 0, stop: int = N_USERS) -> FullRanks:
        part = slice(start, stop)
        return full_ranks(self.scores[part], sparse.csr_array(self.relevant[part] * 1.0), self.n_candidates[part])

    def rows(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels and scores of a user's candidates; what has no score gets one below all others."""
        candidates = np.append(~self.seen[user], [True] * N_NEW)
        scores = np.append(self.scores[user].astype(float), [np.nan] * N_NEW)
        return self.relevant[user][candidates], np.where(np.isnan(scores), -1e9, scores)[candidates]


CASES = [Case(seed, digits) for seed in range(3) for digits in (0, 6)]


@pytest.mark.parametrize("case", CASES)
def test_ranks_are_counts_of_better_and_equal_candidates(case: Case) -> None:
    found = case.ranks()
    place = 0
    for user in range(N_USERS):
        labels, scores = case.rows(user)
        for own in scores[labels]:
            assert (found.user[place], found.above[place]) == (user, np.sum(scores > own))
            assert found.tied[place] == np.sum(scores == own)
            place += 1
    assert place == len(found.user)


@pytest.mark.parametrize("case", CASES)
def test_curves_are_the_means_of_each_users_own(case: Case) -> None:
    found = ranking_curves(case.ranks())
    true, precision, gain = [], [], []
    for user in range(N_USERS):
        labels, scores = case.rows(user)
        if not labels.any():
            assert np.isnan(found.auc[user])
            continue
        false_rate, true_rate, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
        precisions, recalls, _ = metrics.precision_recall_curve(labels, scores)
        assert found.auc[user] == pytest.approx(metrics.roc_auc_score(labels, scores))
        assert found.average_precision[user] == pytest.approx(metrics.average_precision_score(labels, scores))
        # Where the curve rises straight up, its upper end counts.
        true.append(np.interp(GRID + 1e-9, false_rate, true_rate))
        # The last point, where nothing passes, has a precision of 1 by convention.
        enough = recalls[:-1] >= RECALL_LEVELS[:, np.newaxis] - 1e-9
        precision.append([precisions[:-1][reached].max() for reached in enough])
        looked_at = scores >= np.unique(scores)[::-1, np.newaxis]
        depth, found_there = np.append(0, looked_at.mean(axis=1)), np.append(0, looked_at[:, labels].mean(axis=1))
        gain.append(np.interp(GRID, depth, found_there))
    np.testing.assert_allclose(found.true_positive_rate, np.mean(true, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.precision, np.mean(precision, axis=0))
    np.testing.assert_allclose(found.gain, np.mean(gain, axis=0), atol=1e-6)


def test_blocks_of_users_give_the_same() -> None:
    case = CASES[0]
    whole, parts = case.ranks(), FullRanks.joined([case.ranks(0, 7), case.ranks(7, 8), case.ranks(8)])
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_area_under_the_mean_curve_is_the_mean_area() -> None:
    found = ranking_curves(CASES[1].ranks())
    assert np.trapezoid(found.true_positive_rate, GRID) == pytest.approx(np.nanmean(found.auc), abs=0.01)


def curves_of(scores: np.ndarray, relevant: np.ndarray) -> RankingCurves:
    n_candidates = np.full(len(scores), scores.shape[1])
    return ranking_curves(full_ranks(scores, sparse.csr_array(relevant * 1.0), n_candidates))


def test_random_scores_and_equal_scores_are_chance() -> None:
    rng = np.random.default_rng(0)
    relevant = rng.random((500, 200)) < 0.05
    random, equal = curves_of(rng.random((500, 200)), relevant), curves_of(np.zeros((500, 200)), relevant)
    assert np.nanmean(random.auc) == pytest.approx(0.5, abs=0.02)
    assert np.abs(random.gain - GRID).max() < 0.03
    assert random.share_relevant == pytest.approx(0.05, abs=0.005)
    # Ties are a coin's toss, not the order of the items.
    np.testing.assert_allclose(equal.auc[~np.isnan(equal.auc)], 0.5)
    np.testing.assert_allclose(equal.true_positive_rate, GRID, atol=1e-9)


def test_a_perfect_ranking() -> None:
    relevant = np.arange(20) < 4
    found = curves_of(relevant[np.newaxis].astype(float), relevant[np.newaxis])
    assert (found.auc[0], found.average_precision[0]) == (1.0, 1.0)
    assert found.true_positive_rate[0] == 1.0
    np.testing.assert_array_equal(found.precision, 1.0)
    assert found.gain[10] == pytest.approx(0.5)


def test_nobody_to_judge() -> None:
    for relevant in (np.zeros((3, 4)), np.ones((3, 4))):
        found = curves_of(np.random.default_rng(0).random((3, 4)), relevant)
        assert np.isnan([*found.auc, *found.true_positive_rate, *found.precision, found.share_relevant]).all()
    empty = ranking_curves(full_ranks(np.empty((0, 5)), sparse.csr_array((0, 5)), np.empty(0, np.int64)))
    assert empty.auc.shape == (0,)


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        full_ranks(np.zeros((2, 3)), sparse.csr_array((2, 2)), np.array([3, 3]))
