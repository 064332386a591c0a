"""CUPED: what was known of the units before takes variance out of what is measured of them now."""

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
from experiments.inference.estimates import Estimate, mean_estimate, ratio_estimate
from experiments.inference.linearised import linearised
from experiments.inference.moments import Floats, Moments


def cuped_means(treatment: Moments, control: Moments) -> Adjusted:
    """Means adjusted for covariates from before the experiment.

    ȳ_a - θ' (x̄_a - x̄) with x̄ over both arms, variance (s²_yy - 2 θ' s_xy + θ' s_xx θ) / n_a of the arm a, and
    θ = S_xx⁻¹ S_xy, S the products of deviations summed within either arm and over both (Deng, Xu, Kohavi & Walker
    2013, WSDM, section 3.2): with one θ for both, x̄ cancels in the difference, and one covariate of correlation ρ
    leaves 1 - ρ² of the variance. A covariate must not be touched by the treatment. The relative effect takes the arms
    for independent; what they share through x̄ adds (rel_effect_size)² θ² var(x̄) / c² to its variance, which is 0
    without an effect and small with small ones.

    >>> one = Moments.from_rows([[2.0, 1.0], [4.0, 2.0], [6.0, 4.0]])
    >>> two = Moments.from_rows([[1.0, 1.0], [3.0, 2.0], [5.0, 3.0]])
    >>> found = cuped_means(one, two)
    >>> round(found.treatment.value - found.control.value, 4), round(found.variance_reduction, 4), found.note
    (0.5, 0.9375, 'adjusted')

    Args:
        treatment: Of outcome and covariates of each unit, in this order.
        control: The control's, of the same numbers.

    Returns:
        Adjusted estimates, or the plain ones and a note that says why.

    Raises:
        DataError: The arms do not bring as many numbers a unit.
    """
    _check_sizes(treatment, control)
    return _cuped(treatment, control, (mean_estimate(treatment), mean_estimate(control)))


def cuped_ratios(treatment: Moments, control: Moments) -> Adjusted:
    """Ratios of sums, e.g. clicks per impression, adjusted for the same from before.

    As ``cuped_means`` on the linearised numbers (m - R d) / d̄ of outcome and covariate (delta method; Deng, Xu, Kohavi
    & Walker 2013, appendix B).

    >>> rows = [[1.0, 2.0, 1.0, 3.0], [1.0, 4.0, 1.0, 2.0], [3.0, 6.0, 2.0, 5.0], [2.0, 3.0, 1.0, 1.0]]
    >>> found = cuped_ratios(Moments.from_rows(rows), Moments.from_rows(rows[::-1]))
    >>> found.note, found.treatment.value == found.control.value
    ('adjusted', True)

    Args:
        treatment: Of each unit's numerator and denominator, then of a covariate, or of numerator and denominator of a
            ratio from before; units that were not there before bring 0 and 0.
        control: The control's, of the same numbers.

    Returns:
        Adjusted estimates, or the plain ones and a note that says why.

    Raises:
        DataError: A unit brings fewer than two or more than four numbers, or not as many in both arms.
    """
    _check_sizes(treatment, control)
    if not 2 <= treatment.size <= 4:
        raise DataError(f"{treatment.size} numbers a unit; a ratio needs 2, with a covariate 3, with a ratio as one 4")
    columns: list[tuple[int, int | None]] = [(0, 1)]
    if treatment.size > 2:
        columns.append((2, 3 if treatment.size == 4 else None))
    plain = ratio_estimate(treatment), ratio_estimate(control)
    return _cuped(linearised(treatment, columns), linearised(control, columns), plain)


def _cuped(treatment: Moments, control: Moments, plain: tuple[Estimate, Estimate]) -> Adjusted:
    note = adjustment_note(treatment, control, plain)
    if note != "adjusted":
        return unadjusted(*plain, note)
    theta, used = regression_slopes(treatment.cross + control.cross, varying(treatment) | varying(control))
    # Within the arms as many numbers are free; with fewer, the slopes would explain everything.
    if treatment.n + control.n - 2 <= used:
        return unadjusted(*plain, "too_few_units")
    middle = pooled_mean(treatment, control)
    one = _adjusted(treatment, theta, middle)
    two = _adjusted(control, theta, middle)
    slopes = tuple(theta.tolist())
    return Adjusted(one, two, slopes, slopes, reduction(one, two, plain), "adjusted")


def _adjusted(arm: Moments, theta: Floats, middle: Floats) -> Estimate:
    value = float(arm.mean[0]) - float(np.dot(theta, arm.mean[1:] - middle))
    return Estimate(value, residual_cross(arm.cross, theta) / (arm.n - 1) / arm.n, arm.n)


def _check_sizes(treatment: Moments, control: Moments) -> None:
    if treatment.size != control.size:
        raise DataError(f"treatment brings {treatment.size} numbers a unit, control {control.size}; need as many")
