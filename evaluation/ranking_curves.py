"""ROC, precision and recall, and gain of a recommender: one curve per user, averaged.

Scores of different users do not compare (a long history gives higher ones), so nothing is pooled: a pair (user, item
not seen) stands where its score puts it among that user's own candidates, and every user weighs the same (vertical
averaging, Fawcett 2006, section 8). The area under the averaged ROC curve is the mean of the users' areas. Precision
is interpolated at 11 levels of recall before it is averaged (Manning, Raghavan & Schütze 2008, section 8.4). Candidates
with equal scores pass a threshold together, so the order of ties never matters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.full_ranks import FullRanks

FloatArray = npt.NDArray[np.float64]

#: False-positive rates of the ROC curve and depths of the gain curve.
GRID = np.linspace(0.0, 1.0, 101)
#: Levels of the precision-recall curve.
RECALL_LEVELS = np.linspace(0.0, 1.0, 11)
#: Makes a step of what has no width, and is too small to be seen elsewhere.
_STEP = 1e-12


class RankingCurves(NamedTuple):
    """Over all users with a relevant candidate and another one.

    Attributes:
        auc: (n_users,) chance that a relevant candidate scores above another one, ties half; NaN for other users.
        average_precision: (n_users,) over the whole ranking, not the first k places; NaN likewise.
        true_positive_rate: (101,) mean share of the relevant that pass, at the false-positive rates ``GRID``.
        precision: (11,) mean interpolated precision, at ``RECALL_LEVELS``.
        gain: (101,) mean share of the relevant found in the first ``GRID`` of the ranking; gain / depth is the lift.
        share_relevant: Mean share of the candidates that are relevant: the precision of a random order.

    The curves are NaN where there is no such user.
    """

    auc: FloatArray
    average_precision: FloatArray
    true_positive_rate: FloatArray
    precision: FloatArray
    gain: FloatArray
    share_relevant: float


def ranking_curves(ranks: FullRanks) -> RankingCurves:
    """Curves from the ranks of the relevant candidates alone, however many others there are.

    >>> ranks = FullRanks(np.array([0, 0]), np.array([0, 2]), np.array([1, 1]), np.array([4]))
    >>> found = ranking_curves(ranks)
    >>> found.auc.tolist(), found.average_precision.round(4).tolist()
    ([0.75], [0.8333])
    """
    n_users = len(ranks.n_candidates)
    n_relevant = np.bincount(ranks.user, minlength=n_users)
    judged = (n_relevant > 0) & (n_relevant < ranks.n_candidates)
    rows = _ranked(ranks, judged)
    auc, precision = np.full(n_users, np.nan), np.full(n_users, np.nan)
    n_judged = int(np.count_nonzero(judged))
    if n_judged == 0:
        nothing, levels = np.full(len(GRID), np.nan), np.full(len(RECALL_LEVELS), np.nan)
        return RankingCurves(auc, precision, nothing, levels, nothing, float("nan"))
    n_others = (ranks.n_candidates - n_relevant).astype(np.float64)
    others_above, others_tied = rows.above - rows.relevant_above, rows.tied - rows.relevant_tied
    each = 1.0 / n_relevant[rows.user]
    missed = (others_above + others_tied / 2) / n_others[rows.user]
    at_least = (rows.relevant_above + rows.relevant_tied) / (rows.above + rows.tied)
    auc[judged] = 1.0 - np.bincount(rows.user, missed * each, n_users)[judged]
    precision[judged] = np.bincount(rows.user, at_least * each, n_users)[judged]
    weight = each / n_judged
    n_candidates = ranks.n_candidates[rows.user].astype(np.float64)
    return RankingCurves(
        auc,
        precision,
        _rising(others_above / n_others[rows.user], others_tied / n_others[rows.user], weight),
        _interpolated(at_least, rows.user, n_relevant),
        _rising(rows.above / n_candidates, rows.tied / n_candidates, weight),
        float((n_relevant[judged] / ranks.n_candidates[judged]).mean()),
    )


class _Rows(NamedTuple):
    """Relevant pairs of the judged users, best first within a user."""

    user: npt.NDArray[np.int64]
    above: npt.NDArray[np.int64]
    tied: npt.NDArray[np.int64]
    #: (n_pairs,) relevant candidates of the user that score higher, and as high, the item itself included.
    relevant_above: npt.NDArray[np.int64]
    relevant_tied: npt.NDArray[np.int64]


def _ranked(ranks: FullRanks, judged: npt.NDArray[np.bool_]) -> _Rows:
    kept = judged[ranks.user]
    user, above, tied = ranks.user[kept], ranks.above[kept], ranks.tied[kept]
    order = np.lexsort((above, user))
    user, above, tied = user[order], above[order], tied[order]
    # Of one user, those with as many above them have the same score.
    begins = np.append(True, (np.diff(user) != 0) | (np.diff(above) != 0))[: len(user)]
    group = np.cumsum(begins) - 1
    first, size = np.flatnonzero(begins), np.bincount(group)
    return _Rows(user, above, tied, (first - np.searchsorted(user, user[first]))[group], size[group])


def _rising(start: FloatArray, width: FloatArray, weight: FloatArray) -> FloatArray:
    """(101,) sum of weights, each rising from 0 at its start to its all one width further, at ``GRID``."""
    slope = weight / (width + _STEP)
    return np.array([np.sum(np.clip((at - start + _STEP) * slope, 0.0, weight)) for at in GRID])


def _interpolated(precision: FloatArray, user: npt.NDArray[np.int64], n_relevant: npt.NDArray[np.int64]) -> FloatArray:
    """(11,) mean over users of the best precision at any recall at least as high."""
    # From the last item of each user to the first, the best so far; users are kept apart by adding more than 1 each.
    apart = 2.0 * (user[-1] - user)
    best = (np.maximum.accumulate((precision + apart)[::-1]) - apart[::-1])[::-1]
    users, first = np.unique(user, return_index=True)
    # Rounded first: 10 levels of a tenth must not need an 11th item.
    needed = np.ceil(np.round(np.outer(RECALL_LEVELS, n_relevant[users]), 9)).astype(np.int64)
    mean: FloatArray = best[first + np.maximum(needed, 1) - 1].mean(axis=1)
    return mean
