"""What taking a covariate's share out of two arms gives, and whether there was anything to take out."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from experiments.inference.estimates import Estimate
from experiments.inference.moments import Floats, Moments

#: ``adjusted``; everything else leaves the estimates as they were. ``no_covariate``: the units bring none;
#: ``covariate_no_variance``: it is the same for all; ``covariate_not_finite``: it is NaN, infinite or a ratio whose
#: denominators add up to 0; ``too_few_units``: fewer than the covariates need; ``no_estimate``: an arm has no value.
AdjustmentNote = Literal[
    "adjusted", "no_covariate", "covariate_no_variance", "covariate_not_finite", "too_few_units", "no_estimate"
]
ADJUSTMENT_NOTES: tuple[AdjustmentNote, ...] = get_args(AdjustmentNote)

_EPS = float(np.finfo(np.float64).eps)
#: Covariates whose correlations have eigenvalues smaller than this share are combinations of the others.
_COLLINEAR = 1e-10


class Adjusted(NamedTuple):
    """Two arms' estimates with the covariates' share taken out: compare them as any other two.

    Attributes:
        treatment: The treatment's.
        control: The control's.
        treatment_slopes: (k,) how much of each covariate was taken out; empty unless ``adjusted``.
        control_slopes: The same of the control.
        variance_reduction: Share of the difference's variance that this took away, 1 at most; 0 where nothing was
            adjusted, NaN where there is no variance to speak of.
        note: Of ``AdjustmentNote``.
    """

    treatment: Estimate
    control: Estimate
    treatment_slopes: tuple[float, ...]
    control_slopes: tuple[float, ...]
    variance_reduction: float
    note: AdjustmentNote


def unadjusted(treatment: Estimate, control: Estimate, note: AdjustmentNote) -> Adjusted:
    """The estimates as they were, and why.

    >>> unadjusted(Estimate(1.0, 0.1, 9), Estimate(1.0, 0.1, 9), "no_covariate").variance_reduction
    0.0
    """
    spread = treatment.variance + control.variance
    return Adjusted(treatment, control, (), (), 0.0 if spread > 0 else math.nan, note)


def adjustment_note(treatment: Moments, control: Moments, plain: tuple[Estimate, Estimate]) -> AdjustmentNote:
    """Whether two arms' moments of (outcome, covariate…) can be adjusted.

    Args:
        treatment: The treatment's moments.
        control: The control's.
        plain: Their estimates without the covariates.
    """
    if treatment.size < 2:
        return "no_covariate"
    if any(arm.status == "too_few_units" for arm in plain):
        return "too_few_units"
    if any(arm.status != "ok" for arm in plain):
        return "no_estimate"
    if not all(np.isfinite(figures).all() for arm in (treatment, control) for figures in (arm.mean, arm.cross)):
        return "covariate_not_finite"
    varies = varying(treatment) | varying(control)
    return "adjusted" if varies.any() else "covariate_no_variance"


def varying(moments: Moments) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(k,) whether each covariate varies by more than rounding; the first column is the outcome."""
    rounding = 64 * _EPS * np.abs(moments.mean[1:])
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.diag(moments.cross)[1:] > moments.n * rounding**2
    return found


def regression_slopes(cross: Floats, varies: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Floats, int]:
    """Least squares slopes of the first number on the others, and how many of these are independent.

    Those of covariates that do not vary are 0; of covariates that determine each other the shortest solution is taken.

    Args:
        cross: (1 + k, 1 + k) summed products of deviations.
        varies: (k,) which covariates vary.
    """
    slopes = np.zeros(len(varies))
    used = np.flatnonzero(varies) + 1
    if not len(used):
        return slopes, 0
    scale = np.sqrt(np.diag(cross)[used])
    correlation = cross[np.ix_(used, used)] / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > _COLLINEAR * values[-1]
    turned = vectors[:, kept].T @ (cross[0, used] / scale)
    slopes[used - 1] = (vectors[:, kept] @ (turned / values[kept])) / scale
    return slopes, int(kept.sum())


def residual_cross(cross: Floats, slopes: Floats) -> float:
    """Summed squares of the outcome less its covariates' share; 0 where only rounding is left of them."""
    weights = np.concatenate([[1.0], -slopes])
    terms = np.outer(weights, weights) * cross
    left = float(terms.sum())
    return left if left > 64 * _EPS * float(np.abs(terms).sum()) else 0.0


def reduction(treatment: Estimate, control: Estimate, plain: tuple[Estimate, Estimate]) -> float:
    """Share of the difference's variance that an adjustment took away; NaN where there was none."""
    before = plain[0].variance + plain[1].variance
    return 1 - (treatment.variance + control.variance) / before if before > 0 else math.nan


def pooled_mean(treatment: Moments, control: Moments) -> Floats:
    """(k,) means of the covariates over the units of both arms."""
    share = treatment.n / (treatment.n + control.n)
    return np.asarray(treatment.mean[1:] * share + control.mean[1:] * (1 - share), np.float64)
