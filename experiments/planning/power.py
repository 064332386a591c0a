"""How many units a test with one look needs, what it can detect with those at hand, and how surely."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy import optimize, special

from core.errors import ConfigError
from experiments.inference.estimates import Status
from experiments.planning.baselines import Baseline
from experiments.planning.power_plan import PowerPlan

#: From so many degrees of freedom on, the normal approximation of t is right to 11 digits and its series slow.
_NORMAL_DF = 1e6
_MOST_UNITS = 1e60


class Planned(NamedTuple):
    """A test that has been planned.

    Attributes:
        n_control: Units, not rounded; round up.
        n_treatment: Units.
        mde: Effect that is shown with ``power``, in the metric's unit; below 0 for "less".
        rel_mde: The same over the control's value; NaN unless that is above 0.
        power: Probability of showing it.
        status: ``ok``, or why figures are NaN: of the baseline; ``too_few_units`` where no effect that can be is large
            enough for the units given.
    """

    n_control: float
    n_treatment: float
    mde: float
    rel_mde: float
    power: float
    status: Status


def sample_size(baseline: Baseline, mde: float, plan: PowerPlan | None = None) -> Planned:
    """Units per arm that show an effect with the plan's power.

    The n at which ``achieved_power`` is the power asked for; as statsmodels' ``NormalIndPower`` (shares, Cohen's h) and
    ``TTestIndPower`` (``pooled_t``) have it. t tests need two units an arm at least.

    >>> from experiments.planning.baselines import mean_baseline, proportion_baseline
    >>> round(sample_size(proportion_baseline(0.10), 0.01).n_control, 3)
    14744.105
    >>> round(sample_size(mean_baseline(0.0, 1.0), 0.1).n_control, 3)
    1570.733

    Args:
        baseline: The control's metric.
        mde: Smallest effect worth finding, treatment - control, relative where the plan is. For non-inferiority the
            difference that there is in truth, 0 as a rule.
        plan: How it will be tested; None for the defaults.

    Raises:
        ConfigError: mde is on the wrong side for the alternative or 0 without a margin, or takes a share out of 0 … 1.
    """
    plan = plan or PowerPlan()
    status = plan.status(baseline)
    if status != "ok":
        return Planned(math.nan, math.nan, math.nan, math.nan, plan.power, status)
    effect = plan.effect(mde, baseline)
    _check_side(_distance(baseline, effect, plan), mde, plan)

    def shortfall(log_n: float) -> float:
        return _power(baseline, effect, math.exp(log_n), plan) - plan.power

    least = math.log(2 * max(1.0, 1 / plan.allocation)) if plan.test_of(baseline) != "z" else math.log(1e-9)
    if shortfall(least) >= 0:
        n = math.exp(least)
    elif shortfall(math.log(_MOST_UNITS)) < 0:
        n = math.inf
    else:
        n = math.exp(float(optimize.brentq(shortfall, least, math.log(_MOST_UNITS), xtol=1e-13, rtol=1e-14)))
    return Planned(n, n * plan.allocation, effect, plan.relative_to(baseline, effect), plan.power, "ok")


def achieved_power(baseline: Baseline, mde: float, n_control: float, plan: PowerPlan | None = None) -> Planned:
    """Probability that so many units show an effect of that size.

    With d the effect's distance from what is to be refuted and se² = σ²_t / n_t + σ²_c / n_c: the noncentral t with
    noncentrality d / se beyond the critical value, both sides where two-sided (Cohen 1988, Statistical Power Analysis,
    chapter 12); for shares a normal with d / se = h √(n_c n_t / (n_c + n_t)), h = 2 asin √p_t - 2 asin √p (ibid.,
    eq. 6.2.1), p the share at which nothing would be shown.

    >>> from experiments.planning.baselines import mean_baseline
    >>> round(achieved_power(mean_baseline(0.0, 1.0), 0.5, 64).power, 4)
    0.8015

    Args:
        baseline: The control's metric.
        mde: As in ``sample_size``, of either sign or 0.
        n_control: Units of the control, > 0; the treatment has ``plan.allocation`` times as many.
        plan: How it will be tested; None for the defaults.

    Raises:
        ConfigError: n_control is not above 0, or mde takes a share out of 0 … 1.
    """
    plan = plan or PowerPlan()
    n_treatment = _treatment_units(n_control, plan)
    status = plan.status(baseline)
    if status != "ok":
        return Planned(n_control, n_treatment, math.nan, math.nan, math.nan, status)
    effect = plan.effect(mde, baseline)
    power = _power(baseline, effect, n_control, plan)
    relative = plan.relative_to(baseline, effect)
    return Planned(n_control, n_treatment, effect, relative, power, "too_few_units" if math.isnan(power) else "ok")


def minimum_detectable_effect(baseline: Baseline, n_control: float, plan: PowerPlan | None = None) -> Planned:
    """Smallest effect that so many units show with the plan's power; for a share, upwards unless "less" is asked for.

    >>> from experiments.planning.baselines import proportion_baseline
    >>> round(minimum_detectable_effect(proportion_baseline(0.10), 14744.104836925611).mde, 9)
    0.01

    Args:
        baseline: The control's metric.
        n_control: Units of the control, > 0.
        plan: How it will be tested; None for the defaults.

    Raises:
        ConfigError: n_control is not above 0.
    """
    plan = plan or PowerPlan()
    n_treatment = _treatment_units(n_control, plan)
    status = plan.status(baseline)
    if status == "ok" and math.isnan(_power(baseline, 0.0, n_control, plan)):
        status = "too_few_units"
    if status != "ok":
        return Planned(n_control, n_treatment, math.nan, math.nan, plan.power, status)
    effect = _solved_effect(lambda effect: _power(baseline, effect, n_control, plan) - plan.power, baseline, plan)
    status = "too_few_units" if math.isnan(effect) else "ok"
    return Planned(n_control, n_treatment, effect, plan.relative_to(baseline, effect), plan.power, status)


def _solved_effect(shortfall: Callable[[float], float], baseline: Baseline, plan: PowerPlan) -> float:
    """Root over effects in the direction asked for, from where nothing would be shown outwards."""
    sign = -1.0 if plan.alternative == "less" else 1.0
    start = plan.refuted(baseline)
    if baseline.share:
        start = min(max(start, -baseline.value), 1 - baseline.value)
        end = 1 - baseline.value if sign > 0 else -baseline.value
        if shortfall(end) < 0:
            return math.nan
    else:
        reach = math.sqrt(baseline.variance)
        while shortfall(start + sign * reach) < 0:
            reach *= 2
        end = start + sign * reach
    return float(optimize.brentq(shortfall, start, end, xtol=abs(end - start) * 1e-14, rtol=1e-13))


def _power(baseline: Baseline, effect: float, n_control: float, plan: PowerPlan) -> float:
    n_treatment = n_control * plan.allocation
    kept = 1 - plan.variance_reduction
    distance = _distance(baseline, effect, plan)
    test = plan.test_of(baseline)
    if baseline.share and test == "z":
        return _tails(distance / math.sqrt(kept * (1 / n_control + 1 / n_treatment)), math.inf, plan)
    if baseline.share:
        treated = baseline.value + effect
        variances = baseline.variance * kept, treated * (1 - treated) * kept
    else:
        variances = baseline.variance * kept, baseline.variance * kept
    control, treatment = variances[0] / n_control, variances[1] / n_treatment
    if test == "z":
        df = math.inf
    elif min(n_control, n_treatment) <= 1:
        return math.nan
    elif test == "pooled_t":
        df = n_control + n_treatment - 2
    else:
        one, two = control / (control + treatment), treatment / (control + treatment)
        df = 1 / (one**2 / (n_control - 1) + two**2 / (n_treatment - 1))
    return _tails(distance / math.sqrt(control + treatment), df, plan)


def _tails(shift: float, df: float, plan: PowerPlan) -> float:
    """Probability that a test shifted by so many standard errors is beyond its critical value."""
    if plan.alternative == "less":
        shift = -shift
    tail = plan.level / 2 if plan.alternative == "two-sided" else plan.level
    critical = -float(special.ndtri(tail) if math.isinf(df) else special.stdtrit(df, tail))
    above = _noncentral_below(-critical, df, -shift)
    return above + _noncentral_below(-critical, df, shift) if plan.alternative == "two-sided" else above


def _noncentral_below(value: float, df: float, shift: float) -> float:
    """P(T <= value) of a noncentral t, normal where df is infinite."""
    if df > _NORMAL_DF:
        # Johnson & Welch 1940, Biometrika 31:362: T below value is a normal below value (1 - 1 / 4 df).
        return float(special.ndtr((value * (1 - 0.25 / df) - shift) / math.sqrt(1 + 0.5 * value * value / df)))
    below = float(special.nctdtr(df, shift, value)) if abs(shift) < 35 else math.nan
    # The series gives out far off only, where it is certain either way.
    return (0.0 if shift > 0 else 1.0) if math.isnan(below) else min(max(below, 0.0), 1.0)


def _distance(baseline: Baseline, effect: float, plan: PowerPlan) -> float:
    """How far the truth is from what is to be refuted: in the metric's unit, or as Cohen's h."""
    nothing = plan.refuted(baseline)
    if not (baseline.share and plan.test_of(baseline) == "z"):
        return effect - nothing
    shares = baseline.value + effect, baseline.value + nothing
    if not 0 <= shares[1] <= 1:
        raise ConfigError(f"margin == {plan.margin} takes the share {baseline.value} out of 0 … 1")
    # Rounding may take a share that was solved for a hair out of 0 … 1.
    treated, refuted = (min(max(share, 0.0), 1.0) for share in shares)
    return 2 * math.asin(math.sqrt(treated)) - 2 * math.asin(math.sqrt(refuted))


def _check_side(distance: float, mde: float, plan: PowerPlan) -> None:
    wanted = {"two-sided": distance != 0, "greater": distance > 0, "less": distance < 0}[plan.alternative]
    if not wanted:
        side = {"two-sided": "not 0", "greater": "above -margin", "less": "below margin"}[plan.alternative]
        raise ConfigError(f"mde == {mde}, must be {side} for alternative {plan.alternative!r}")


def _treatment_units(n_control: float, plan: PowerPlan) -> float:
    if not 0 < n_control < math.inf:
        raise ConfigError(f"n_control == {n_control}, must be a number of units above 0")
    return n_control * plan.allocation
