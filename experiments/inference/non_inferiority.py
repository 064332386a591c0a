"""Guardrails of an experiment: whether a metric is shown not to be worse than a margin allows."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

from scipy import special

from core.errors import ConfigError
from experiments.inference.comparison import Comparison, check_alpha, difference
from experiments.inference.estimates import Estimate, Status
from experiments.looks.sequential import Interval

#: ``non_inferior``: shown to be within the margin; ``inferior``: shown to be worse than it; ``inconclusive``: neither,
#: or nothing could be tested.
NonInferiorityVerdict = Literal["non_inferior", "inferior", "inconclusive"]
NON_INFERIORITY_VERDICTS: tuple[NonInferiorityVerdict, ...] = get_args(NonInferiorityVerdict)


class NonInferiority(NamedTuple):
    """A guardrail, tested.

    Attributes:
        effect_size: Treatment - control, or over the control where the margin is relative.
        bound: The worst effect that is compatible with the data: lower end of a one-sided interval where higher is
            better, upper end where lower is.
        worst_allowed: The effect at the margin: -margin where higher is better, margin where lower is.
        pvalue: One-sided, of the treatment being worse by the margin or more.
        inferior_pvalue: One-sided, of it being worse by the margin or less.
        verdict: Of ``NonInferiorityVerdict``.
        status: ``ok``, or why figures are NaN.
    """

    effect_size: float
    bound: float
    worst_allowed: float
    pvalue: float
    inferior_pvalue: float
    verdict: NonInferiorityVerdict
    status: Status


def non_inferiority(
    treatment: Estimate,
    control: Estimate,
    margin: float,
    *,
    relative: bool = False,
    lower_is_better: bool = False,
    alpha: float = 0.05,
) -> NonInferiority:
    """Test that the treatment is not worse than the control by a margin, for one look fixed beforehand.

    With M the worst effect allowed (-margin, or margin where lower is better), absolute: t = (t̂ - ĉ - M) /
    √(v_t + v_c); relative: t = (t̂ - (1 + M) ĉ) / √(v_t + (1 + M)² v_c), which needs no delta method and agrees with
    Fieller's interval (Hauschke, Kieser, Diletti & Burke 1999, Statistics in Medicine 18:93); both on
    Welch's degrees of freedom. ``verdict`` is ``non_inferior`` exactly where ``bound`` is better than
    ``worst_allowed``.

    >>> clicks = non_inferiority(Estimate(0.099, 1e-6, 9000), Estimate(0.1, 1e-6, 9000), 0.05, relative=True)
    >>> clicks.verdict, round(clicks.pvalue, 4), round(clicks.bound, 4)
    ('non_inferior', 0.0019, -0.0329)

    Args:
        treatment: The treatment's value.
        control: The control's.
        margin: Largest loss that is tolerated, > 0; below 1 where it is relative and higher is better.
        relative: Whether the margin is a share of the control's value.
        lower_is_better: As with latency.
        alpha: One-sided error.

    Returns:
        The test; where ``status`` is not ``ok`` figures are NaN and the verdict is ``inconclusive``. With a relative
        margin a control that is not shown to be above 0 itself is a ``zero_baseline``.

    Raises:
        ConfigError: margin or alpha is not allowed.
    """
    check_alpha(alpha)
    _check_margin(margin, relative and not lower_is_better)
    worst = margin if lower_is_better else -margin
    found = difference(treatment, control)
    status = _status(found.status, relative)
    effect = found.rel_effect_size if relative else found.effect_size
    if status != "ok":
        return _nothing(effect, worst, status)
    factor, shift = (1 + worst, 0.0) if relative else (1.0, worst)
    scaled = Estimate(factor * control.value + shift, factor**2 * control.variance, control.n)
    apart, spread = treatment.value - scaled.value, treatment.variance + scaled.variance
    df = _welch_df(treatment, scaled)
    t = apart / math.sqrt(spread) * (-1 if lower_is_better else 1)
    pvalue, inferior = float(special.stdtr(df, -t)), float(special.stdtr(df, t))
    critical = -float(special.stdtrit(df, alpha)) * (-1 if lower_is_better else 1)
    bound = _fieller(treatment, control, critical) if relative else effect - critical * math.sqrt(spread)
    if math.isnan(bound):
        return _nothing(effect, worst, "zero_baseline")
    verdict: NonInferiorityVerdict = "inconclusive"
    if pvalue < alpha:
        verdict = "non_inferior"
    elif inferior < alpha:
        verdict = "inferior"
    return NonInferiority(effect, bound, worst, pvalue, inferior, verdict, "ok")


def non_inferiority_of_interval(
    interval: Interval, margin: float, *, lower_is_better: bool = False
) -> NonInferiorityVerdict:
    """The verdict that an interval of the effect allows, whatever made it: a confidence sequence holds at every look.

    >>> non_inferiority_of_interval(Interval(-0.004, 0.02), 0.005)
    'non_inferior'

    Args:
        interval: Of treatment - control, absolute or relative as the margin is; NaN is ``inconclusive``.
        margin: Largest loss that is tolerated, > 0.
        lower_is_better: As with latency.

    Raises:
        ConfigError: margin is not above 0.
    """
    _check_margin(margin, False)
    worst, best = (-interval.upper, -interval.lower) if lower_is_better else interval
    if worst > -margin:
        return "non_inferior"
    return "inferior" if best < -margin else "inconclusive"


def non_inferiority_of_comparison(
    comparison: Comparison, margin: float, *, lower_is_better: bool = False
) -> NonInferiority:
    """``non_inferiority_of_interval`` of a comparison's relative interval, with its figures; p-values are NaN.

    Of a confidence sequence it holds at every look.

    Args:
        comparison: Treatment against control; without a relative effect nothing can be said.
        margin: Largest relative loss that is tolerated, above 0; below 1 where higher is better.
        lower_is_better: As with latency.

    Raises:
        ConfigError: margin is not allowed.
    """
    _check_margin(margin, not lower_is_better)
    interval = Interval(comparison.rel_ci_lower, comparison.rel_ci_upper)
    worst = margin if lower_is_better else -margin
    if math.isnan(interval.lower + interval.upper):
        status = comparison.status if comparison.status != "ok" else "zero_baseline"
        return _nothing(comparison.rel_effect_size, worst, status)
    bound = interval.upper if lower_is_better else interval.lower
    verdict = non_inferiority_of_interval(interval, margin, lower_is_better=lower_is_better)
    return NonInferiority(comparison.rel_effect_size, bound, worst, math.nan, math.nan, verdict, "ok")


def _fieller(treatment: Estimate, control: Estimate, critical: float) -> float:
    """The end of Fieller's interval of t / c - 1 on the critical value's side; NaN where it is no interval.

    The smaller or larger ρ with (t̂ - ρ ĉ)² = q² (v_t + ρ² v_c), q the critical value.
    """
    q2 = critical**2
    lead = control.value**2 - q2 * control.variance
    if lead <= 0:
        return math.nan
    cross = treatment.value * control.value
    # The discriminant, cleared of what cancels in it.
    inside = q2 * (treatment.variance * lead + control.variance * treatment.value**2)
    return (cross - math.copysign(math.sqrt(max(inside, 0.0)), critical)) / lead - 1


def _nothing(effect: float, worst: float, status: Status) -> NonInferiority:
    return NonInferiority(effect, math.nan, worst, math.nan, math.nan, "inconclusive", status)


def _welch_df(one: Estimate, two: Estimate) -> float:
    spread = one.variance + two.variance
    parts = ((one.variance / spread) ** 2 / (one.n - 1), (two.variance / spread) ** 2 / (two.n - 1))
    return 1 / sum(parts)


def _status(status: Status, relative: bool) -> Status:
    """An absolute margin needs no baseline above 0."""
    return "ok" if not relative and status in ("zero_baseline", "negative_baseline") else status


def _check_margin(margin: float, is_share: bool) -> None:
    if not 0 < margin < math.inf:
        raise ConfigError(f"margin == {margin}, must be above 0: the largest loss that is tolerated")
    if is_share and margin >= 1:
        raise ConfigError(f"margin == {margin}, must be below 1: more than everything cannot be lost")
