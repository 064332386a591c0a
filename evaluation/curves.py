"""How well scores tell two kinds of rows apart, at every threshold: ROC, precision and recall, lift.

Rows with equal scores pass a threshold together, so the order of ties never matters. A curve has a point per distinct
score, from the highest threshold (nothing passes) to the lowest (everything does). Sources: Fawcett (2006), "An
introduction to ROC analysis", for ROC; Davis & Goadrich (2006) for precision and recall, which are not interpolated
here; Ling & Li (1998) for lift.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_NAN = float("nan")


class RocCurve(NamedTuple):
    """True against false positives.

    Attributes:
        false_positive_rate: (n_points,) 0 … 1, ascending; NaN without negatives.
        true_positive_rate: (n_points,) 0 … 1, ascending; NaN without positives.
        auc: Area under it: the chance that a positive scores above a negative, ties counted half. NaN where there is
            one kind of row only.
    """

    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    auc: float


class PrecisionRecallCurve(NamedTuple):
    """Precision against recall.

    Attributes:
        recall: (n_points,) 0 … 1, ascending; NaN without positives.
        precision: (n_points,) 0 … 1; that of the first point, where nothing passes, is 1 by convention.
        average_precision: Sum of precision x gain in recall; NaN without positives.
    """

    recall: FloatArray
    precision: FloatArray
    average_precision: float


class LiftCurve(NamedTuple):
    """What is found by looking at the best rows only.

    Attributes:
        depth: (n_points,) share of the rows looked at, 0 … 1, ascending.
        gain: (n_points,) share of the positives among them; NaN without positives.
        lift: (n_points,) gain / depth: how many times as many as by looking at random rows; NaN at depth 0.
    """

    depth: FloatArray
    gain: FloatArray
    lift: FloatArray


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> RocCurve:
    """The ROC curve.

    Args:
        labels: (n,) bool or 0 and 1.
        scores: (n,) without NaN; higher means rather positive. No rows give a single point.

    Raises:
        ValueError: The shapes differ, a label is neither 0 nor 1, or a score is NaN.

    >>> roc_curve([0, 0, 1, 1], [.1, .4, .35, .8]).auc
    0.75
    """
    passed, positive = _passed(labels, scores)
    negative = passed - positive
    false, true = _share(negative), _share(positive)
    return RocCurve(false, true, float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)) if len(false) > 1 else _NAN)


def precision_recall_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> PrecisionRecallCurve:
    """Precision and recall, and average precision. Arguments and errors: :func:`roc_curve`.

    >>> round(precision_recall_curve([0, 0, 1, 1], [.1, .4, .35, .8]).average_precision, 4)
    0.8333
    """
    passed, positive = _passed(labels, scores)
    recall = _share(positive)
    precision = np.divide(positive, passed, out=np.ones(len(passed)), where=passed > 0)
    average = float(np.sum(np.diff(recall) * precision[1:])) if len(recall) > 1 else _NAN
    return PrecisionRecallCurve(recall, precision, average)


def lift_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> LiftCurve:
    """Cumulative gain and lift. Arguments and errors: :func:`roc_curve`.

    >>> lift_curve([0, 0, 1, 1], [.1, .4, .35, .8]).lift.round(3).tolist()
    [nan, 2.0, 1.0, 1.333, 1.0]
    """
    passed, positive = _passed(labels, scores)
    depth, gain = _share(passed), _share(positive)
    return LiftCurve(depth, gain, np.divide(gain, depth, out=np.full(len(depth), _NAN), where=depth > 0))


def _passed(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(n_points,) rows at or above each distinct score, highest first, and positives among them; both from 0."""
    label, score = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if label.shape != score.shape or label.ndim != 1:
        raise ValueError(f"labels has shape {label.shape}, scores {score.shape}; both must be (n,)")
    if np.isnan(score).any() or not np.isin(label, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 or 1 and scores no NaN")
    order = np.argsort(-score, kind="stable")
    # The last row of each score; of no rows, none.
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)[: len(score)])
    return np.append(0.0, last + 1.0), np.append(0.0, np.cumsum(label[order])[last])


def _share(counted: FloatArray) -> FloatArray:
    """Of the last count; NaN where that is 0."""
    return counted / counted[-1] if counted[-1] > 0 else np.full(len(counted), _NAN)
