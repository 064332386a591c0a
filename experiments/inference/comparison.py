"""What comparing two arms gives, whatever the test: absolute and relative effect, intervals, p-values, a status."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from core.errors import ConfigError
from experiments.inference.estimates import Estimate, Status

#: What is to be shown of treatment - control: that it is not 0, above 0, or below 0.
Alternative = Literal["two-sided", "greater", "less"]
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


class Comparison(NamedTuple):
    """Treatment against control.

    Attributes:
        effect_size: treatment - control, in the metric's unit.
        se: Its standard error.
        ci_lower: Lower end of its interval; -inf where the alternative is "less".
        ci_upper: Upper end; inf where the alternative is "greater".
        pvalue: Of no effect, 0 … 1.
        rel_effect_size: effect_size / control; NaN unless the control is above 0.
        rel_se: Standard error of rel_effect_size (delta method).
        rel_ci_lower: Lower end of its interval.
        rel_ci_upper: Upper end.
        rel_pvalue: Of no relative effect.
        control_value: The control's value.
        treatment_value: The treatment's.
        control_n: The control's units.
        treatment_n: The treatment's.
        statistic: Of the absolute effect: t or z; NaN where the method has none.
        df: Degrees of freedom of t; inf for z.
        status: ``ok``, or why figures are NaN (``experiments.inference.estimates.Status``).
    """

    effect_size: float
    se: float
    ci_lower: float
    ci_upper: float
    pvalue: float
    rel_effect_size: float
    rel_se: float
    rel_ci_lower: float
    rel_ci_upper: float
    rel_pvalue: float
    control_value: float
    treatment_value: float
    control_n: int
    treatment_n: int
    statistic: float
    df: float
    status: Status


class Difference(NamedTuple):
    """Absolute and relative difference of two estimates, before any test.

    Attributes:
        effect_size: treatment - control.
        se: Its standard error; NaN where ``status`` says that nothing can be tested.
        rel_effect_size: effect_size / control; NaN unless the control is above 0.
        rel_se: Standard error of that; NaN likewise.
        status: Of the two arms and their baseline.
    """

    effect_size: float
    se: float
    rel_effect_size: float
    rel_se: float
    status: Status


def difference(treatment: Estimate, control: Estimate) -> Difference:
    """The difference of two independent estimates t and c.

    se² = v_t + v_c; rel_se² = v_t / c² + v_c t² / c⁴ (delta method for t / c - 1). A relative effect needs a control
    above 0: below it, a rise would be told as a fall.

    >>> found = difference(Estimate(0.12, 0.0004, 200), Estimate(0.1, 0.0005, 200))
    >>> round(found.effect_size, 3), round(found.se, 3), round(found.rel_effect_size, 3), found.status
    (0.02, 0.03, 0.2, 'ok')
    """
    effect = treatment.value - control.value
    status = _status(treatment, control)
    if status != "ok":
        return Difference(effect, math.nan, math.nan, math.nan, status)
    se = math.sqrt(treatment.variance + control.variance)
    if control.value < 0:
        return Difference(effect, se, math.nan, math.nan, "negative_baseline")
    ratio = treatment.value / control.value if control.value else math.inf
    # Not by squares, which a small baseline would carry beyond what a float holds.
    rel_se = math.hypot(math.sqrt(treatment.variance), math.sqrt(control.variance) * ratio)
    rel_se = rel_se / control.value if control.value else math.inf
    if not (math.isfinite(ratio) and math.isfinite(rel_se)):
        return Difference(effect, se, math.nan, math.nan, "zero_baseline")
    return Difference(effect, se, ratio - 1, rel_se, "ok")


def check_alpha(alpha: float) -> None:
    """Refuse an error level outside (0, 1).

    Raises:
        ConfigError: alpha is not above 0 and below 1.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha == {alpha}, must be above 0 and below 1")


def check_alternative(alternative: str) -> None:
    """Refuse what is no alternative.

    Raises:
        ConfigError: alternative is none of ``ALTERNATIVES``.
    """
    if alternative not in ALTERNATIVES:
        raise ConfigError(f"alternative == {alternative!r}, must be one of {', '.join(ALTERNATIVES)}")


def _status(treatment: Estimate, control: Estimate) -> Status:
    for arm in (control, treatment):
        if arm.status != "ok":
            return arm.status
    if not math.isfinite(treatment.value + control.value + treatment.variance + control.variance):
        return "not_finite"
    return "ok" if treatment.variance + control.variance > 0 else "no_variance"
