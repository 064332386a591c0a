"""Regression adjustment with several covariates, each arm with slopes of its own, from moments alone."""

from __future__ import annotations

import numpy as np

from core.errors import DataError
from experiments.inference.adjustment import (
    Adjusted,
    adjustment_note,
    pooled_mean,
    reduction,
    regression_slopes,
    residual_cross,
    unadjusted,
    varying,
)
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.moments import Floats, Moments


def regression_adjusted(treatment: Moments, control: Moments) -> Adjusted:
    """Means adjusted by least squares within each arm, which is never worse than not to adjust in large samples.

    The coefficient of T in the regression of y on T, x - x̄ and T (x - x̄), x̄ over both arms (Lin 2013, Annals of
    Applied Statistics 7:295, section 4), is the difference of ŷ_a = ȳ_a - β_a' (x̄_a - x̄), β_a the slopes within arm
    a. Variance of ŷ_a: Neyman's, with the residuals of the arm, σ̂²_a (1/n_a + (x̄_a - x̄)' S_a⁻¹ (x̄_a - x̄)),
    σ̂²_a = residual squares / (n_a - 1 - k); to this ½ Δβ' s_xx Δβ / N, Δβ = β_t - β_c, so that the difference allows
    for x̄ being a sample's (Negi & Wooldridge 2021, Econometric Reviews 40:504). White's sandwich needs
    the rows; both agree in large samples unless residuals spread by x. For ratios give ``linearised`` moments.

    >>> one = Moments.from_rows([[2.0, 1.0], [4.0, 2.0], [6.0, 4.0], [5.0, 3.0]])
    >>> two = Moments.from_rows([[1.0, 1.0], [3.0, 2.0], [5.0, 3.0], [6.0, 4.0]])
    >>> found = regression_adjusted(one, two)
    >>> round(found.treatment.value - found.control.value, 4), found.note
    (0.5, 'adjusted')

    Args:
        treatment: Of outcome and covariates of each unit, in this order.
        control: The control's, of the same numbers.

    Returns:
        Adjusted estimates, or the plain ones and a note that says why; an arm needs two units more than covariates.

    Raises:
        DataError: The arms do not bring as many numbers a unit.
    """
    if treatment.size != control.size:
        raise DataError(f"treatment brings {treatment.size} numbers a unit, control {control.size}; need as many")
    plain = mean_estimate(treatment), mean_estimate(control)
    note = adjustment_note(treatment, control, plain)
    if note != "adjusted":
        return unadjusted(*plain, note)
    middle = pooled_mean(treatment, control)
    slopes, used = _slopes(treatment)
    control_slopes, control_used = _slopes(control)
    if min(treatment.n - used, control.n - control_used) < 2:
        return unadjusted(*plain, "too_few_units")
    units = treatment.n + control.n
    spread = (treatment.cross + control.cross)[1:, 1:] / (units - 2)
    apart = slopes - control_slopes
    shared = 0.5 * float(apart @ spread @ apart) / units
    one = _adjusted(treatment, slopes, used, middle, shared)
    two = _adjusted(control, control_slopes, control_used, middle, shared)
    return Adjusted(
        one, two, tuple(slopes.tolist()), tuple(control_slopes.tolist()), reduction(one, two, plain), "adjusted"
    )


def _slopes(arm: Moments) -> tuple[Floats, int]:
    return regression_slopes(arm.cross, varying(arm))


def _adjusted(arm: Moments, slopes: Floats, used: int, middle: Floats, shared: float) -> Estimate:
    away = arm.mean[1:] - middle
    residual = residual_cross(arm.cross, slopes) / (arm.n - 1 - used)
    # S⁻¹ (x̄_a - x̄) is the regression of something whose products with the covariates are x̄_a - x̄.
    bordered = arm.cross.copy()
    bordered[0, 1:] = away
    leverage = float(away @ regression_slopes(bordered, varying(arm))[0])
    value = float(arm.mean[0]) - float(np.dot(slopes, away))
    return Estimate(value, residual * (1 / arm.n + max(leverage, 0.0)) + max(shared, 0.0), arm.n)
