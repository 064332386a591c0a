"""Tests for one look, fixed beforehand: Welch's t and the z test, from two estimates."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import special

from experiments.inference.comparison import Alternative, Comparison, check_alpha, check_alternative, difference
from experiments.inference.estimates import Estimate


def welch(
    treatment: Estimate, control: Estimate, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Comparison:
    """Welch's t test of two independent estimates, whatever their variances.

    t = (t̂ - ĉ) / se on ν = (v_t + v_c)² / (v_t² / (n_t - 1) + v_c² / (n_c - 1)) degrees of freedom (Welch 1947,
    Biometrika 34:28, eq. 28). The relative effect is tested on the same ν.

    >>> found = welch(Estimate(0.7, 0.0112, 3461), Estimate(0.41, 0.0044, 3407))
    >>> round(found.effect_size, 2), round(found.pvalue, 3), found.status
    (0.29, 0.02, 'ok')

    Args:
        treatment: The treatment's value.
        control: The control's.
        alpha: The interval misses the true effect with this probability.
        alternative: What is to be shown of treatment - control.

    Returns:
        The comparison; where ``status`` is not ``ok``, what cannot be known is NaN.

    Raises:
        ConfigError: alpha or alternative is not allowed.
    """
    return _compared(treatment, control, _welch_df(treatment, control), alpha, alternative)


def z_test(
    treatment: Estimate, control: Estimate, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Comparison:
    """The z test of two independent estimates: ``welch`` with infinite degrees of freedom, for many units.

    Arguments, result and errors: ``welch``.

    >>> round(z_test(Estimate(0.12, 0.0001, 900), Estimate(0.1, 0.0001, 900)).statistic, 4)
    1.4142
    """
    return _compared(treatment, control, math.inf, alpha, alternative)


class _Tested(NamedTuple):
    ci_lower: float
    ci_upper: float
    pvalue: float
    statistic: float


def _compared(treatment: Estimate, control: Estimate, df: float, alpha: float, alternative: Alternative) -> Comparison:
    check_alpha(alpha)
    check_alternative(alternative)
    found = difference(treatment, control)
    absolute = _tested(found.effect_size, found.se, df, alpha, alternative)
    relative = _tested(found.rel_effect_size, found.rel_se, df, alpha, alternative)
    return Comparison(
        effect_size=found.effect_size,
        se=found.se,
        ci_lower=absolute.ci_lower,
        ci_upper=absolute.ci_upper,
        pvalue=absolute.pvalue,
        rel_effect_size=found.rel_effect_size,
        rel_se=found.rel_se,
        rel_ci_lower=relative.ci_lower,
        rel_ci_upper=relative.ci_upper,
        rel_pvalue=relative.pvalue,
        control_value=control.value,
        treatment_value=treatment.value,
        control_n=control.n,
        treatment_n=treatment.n,
        statistic=absolute.statistic,
        df=df if math.isfinite(found.se) else math.nan,
        status=found.status,
    )


def _welch_df(treatment: Estimate, control: Estimate) -> float:
    spread = treatment.variance + control.variance
    if min(treatment.n, control.n) < 2 or not spread > 0:
        return math.nan
    # As shares of the whole: squares of tiny variances would vanish.
    one, two = treatment.variance / spread, control.variance / spread
    return 1 / (one**2 / (treatment.n - 1) + two**2 / (control.n - 1))


def _tested(effect: float, se: float, df: float, alpha: float, alternative: Alternative) -> _Tested:
    if not se > 0 or math.isnan(effect):
        return _Tested(math.nan, math.nan, math.nan, math.nan)
    statistic = effect / se
    tail = alpha / 2 if alternative == "two-sided" else alpha
    width = -_quantile(tail, df) * se
    if alternative == "greater":
        return _Tested(effect - width, math.inf, _below(-statistic, df), statistic)
    if alternative == "less":
        return _Tested(-math.inf, effect + width, _below(statistic, df), statistic)
    return _Tested(effect - width, effect + width, min(1.0, 2 * _below(-abs(statistic), df)), statistic)


def _below(value: float, df: float) -> float:
    return float(special.ndtr(value) if math.isinf(df) else special.stdtr(df, value))


def _quantile(probability: float, df: float) -> float:
    return float(special.ndtri(probability) if math.isinf(df) else special.stdtrit(df, probability))
