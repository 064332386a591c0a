"""Power, detectable effect and length of a test that is read while it runs, from its chances to cross its boundary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from core.errors import ConfigError
from experiments.inference.comparison import Alternative
from experiments.inference.estimates import Status
from experiments.looks.boundary_crossing import crossing_probabilities
from experiments.looks.confidence_sequences import BURN_IN, critical_values
from experiments.looks.group_sequential import Boundary, operating, planning_drift
from experiments.planning.baselines import Baseline
from experiments.planning.power_plan import PowerPlan

_MOST_UNITS = 1e15


class SequentialPlanned(NamedTuple):
    """A test with looks that has been planned.

    Attributes:
        mde: Effect it was asked about or can detect, in the metric's unit.
        rel_mde: The same over the control's value; NaN unless that is above 0.
        power: Probability of showing it, at some look and on its own side.
        n_control: Units of the control at the last look.
        n_treatment: Units of the treatment there.
        expected_control: Units of the control when it ends, on average, under that effect.
        stop: (K,) probability of ending at each look, the last one included if nothing was shown.
        status: ``ok``, or why figures are NaN; ``burn_in`` where no look comes after burn-in; ``too_few_units`` where
            no effect that can be is large enough.
    """

    mde: float
    rel_mde: float
    power: float
    n_control: float
    n_treatment: float
    expected_control: float
    stop: tuple[float, ...]
    status: Status


def sequence_power(
    baseline: Baseline,
    mde: float,
    looks: Sequence[float],
    *,
    n_star: float,
    plan: PowerPlan | None = None,
    burn_in: int = BURN_IN,
) -> SequentialPlanned:
    """Power of a confidence sequence that is read at some looks.

    z at a look of n units has mean effect / se(n) and independent increments of information 1 / se², and stops at
    the critical value of ``confidence_sequences.critical_values``; the probability of reaching it is integrated
    (``boundary_crossing``), not simulated. More looks find more, so looks that are few understate a sequence that is
    read all the time.

    >>> from experiments.planning.baselines import proportion_baseline
    >>> looks = [10_000 * (look + 1) / 30 for look in range(30)]
    >>> round(sequence_power(proportion_baseline(0.10), 0.0125, looks, n_star=10_000).power, 2)
    0.53

    Args:
        baseline: The control's metric.
        mde: Effect, treatment - control; relative where the plan is.
        looks: (K,) units of the control at each look, rising, > 0.
        n_star: Units of both arms at which the sequence is tightest.
        plan: Its alpha, alternative, allocation, margin, variance reduction, comparisons; ``test`` and ``power`` do
            not matter here.
        burn_in: Units an arm needs before a look may stop.

    Raises:
        ConfigError: looks do not rise, or another argument is not allowed.
    """
    plan = plan or PowerPlan()
    status = _status(baseline, plan, looks, burn_in)
    if status != "ok":
        return _unknown(looks, plan, status)
    return _sequence_planned(baseline, plan.effect(mde, baseline), looks, n_star, plan, burn_in)


def sequence_mde(
    baseline: Baseline,
    looks: Sequence[float],
    *,
    n_star: float,
    plan: PowerPlan | None = None,
    burn_in: int = BURN_IN,
) -> SequentialPlanned:
    """Smallest effect that a confidence sequence shows with the plan's power; upwards unless "less" is asked for.

    Arguments and errors: ``sequence_power``.

    >>> from experiments.planning.baselines import mean_baseline
    >>> round(sequence_mde(mean_baseline(10.0, 3.0), [1000, 2000, 3000], n_star=6000).mde, 3)
    0.296
    """
    plan = plan or PowerPlan()
    status = _status(baseline, plan, looks, burn_in)
    if status != "ok":
        return _unknown(looks, plan, status)

    def shortfall(effect: float) -> float:
        return _sequence_planned(baseline, effect, looks, n_star, plan, burn_in).power - plan.power

    sign = -1.0 if plan.alternative == "less" else 1.0
    start, reach = plan.refuted(baseline), 4 * _se(baseline, 0.0, looks[-1], plan)
    most = (baseline.value if sign < 0 else 1 - baseline.value) - sign * start if baseline.share else math.inf
    while shortfall(start + sign * min(reach, most)) < 0:
        if reach >= most:
            return _unknown(looks, plan, "too_few_units")
        reach *= 2
    end = start + sign * min(reach, most)
    effect = float(optimize.brentq(shortfall, start, end, xtol=abs(end - start) * 1e-9))
    return _sequence_planned(baseline, effect, looks, n_star, plan, burn_in)


def group_power(
    baseline: Baseline, mde: float, n_control: float, boundary: Boundary, plan: PowerPlan | None = None
) -> SequentialPlanned:
    """Power of a group-sequential test with so many units of the control at fraction 1.

    >>> from experiments.planning.baselines import mean_baseline
    >>> from experiments.looks.group_sequential import spending_boundary
    >>> found = group_power(mean_baseline(0.0, 1.0), 0.1, 1570, spending_boundary([0.5, 1.0]))
    >>> round(found.power, 3), round(found.expected_control)
    (0.799, 1442)

    Args:
        baseline: The control's metric.
        mde: Effect, treatment - control; relative where the plan is.
        n_control: Units of the control at fraction 1 of the information, > 0.
        boundary: Whose alpha and alternative are in force.
        plan: Its allocation, relative, margin and variance reduction only.

    Raises:
        ConfigError: n_control or mde is not allowed, or plan and boundary disagree on the alternative.
    """
    plan = _agreed(plan, boundary)
    looks = [n_control * fraction for fraction in boundary.fractions]
    status = _status(baseline, plan, looks, 0)
    if status != "ok":
        return _unknown(looks, plan, status)
    effect = plan.effect(mde, baseline)
    drift = (effect - plan.refuted(baseline)) / _se(baseline, effect, n_control, plan)
    found = operating(boundary, drift)
    return SequentialPlanned(
        mde=effect,
        rel_mde=plan.relative_to(baseline, effect),
        power=found.power,
        n_control=looks[-1],
        n_treatment=looks[-1] * plan.allocation,
        expected_control=found.expected_fraction * n_control,
        stop=found.stop,
        status="ok",
    )


def group_sample_size(
    baseline: Baseline, mde: float, boundary: Boundary, plan: PowerPlan | None = None
) -> SequentialPlanned:
    """Units that a group-sequential test needs at fraction 1 for the plan's power: (drift σ / effect)².

    σ² is the variance of the difference with one unit of the control (Jennison & Turnbull 2000, chapter 3), the drift
    that of ``group_sequential.planning_drift``. Arguments and errors: ``group_power``.

    >>> from experiments.planning.baselines import mean_baseline
    >>> from experiments.looks.group_sequential import spending_boundary
    >>> found = group_sample_size(mean_baseline(0.0, 1.0), 0.1, spending_boundary([0.5, 1.0]))
    >>> round(found.n_control), round(found.expected_control)
    (1576, 1446)
    """
    plan = _agreed(plan, boundary)
    status = _status(baseline, plan, [1.0], 0)
    if status != "ok":
        return _unknown([math.nan], plan, status)
    effect = plan.effect(mde, baseline)
    distance = effect - plan.refuted(baseline)
    if (distance <= 0 and plan.alternative == "greater") or (distance >= 0 and plan.alternative == "less"):
        raise ConfigError(f"mde == {mde} is on the wrong side for alternative {plan.alternative!r}")
    if distance == 0:
        raise ConfigError(f"mde == {mde}, must not be 0")
    n_control = (planning_drift(boundary, plan.power) * _se(baseline, effect, 1.0, plan) / distance) ** 2
    return group_power(baseline, mde, min(n_control, _MOST_UNITS), boundary, plan)


def _sequence_planned(
    baseline: Baseline, effect: float, looks: Sequence[float], n_star: float, plan: PowerPlan, burn_in: int
) -> SequentialPlanned:
    units = np.asarray(looks, np.float64)
    critical = critical_values(
        units * (1 + plan.allocation), n_star=n_star, alpha=plan.level, alternative=plan.alternative
    )
    critical[units * min(1.0, plan.allocation) < burn_in] = np.inf
    none = np.full(len(units), np.inf)
    upper = none if plan.alternative == "less" else critical
    lower = -none if plan.alternative == "greater" else -critical
    drift = (effect - plan.refuted(baseline)) / _se(baseline, effect, looks[-1], plan)
    found = crossing_probabilities((units / units[-1]).tolist(), lower.tolist(), upper.tolist(), drift)
    shown = (
        found.lower if plan.alternative == "less" or (plan.alternative == "two-sided" and drift < 0) else found.upper
    )
    stop = found.upper + found.lower
    stop[-1] = max(1.0 - float(stop[:-1].sum()), 0.0)
    return SequentialPlanned(
        mde=effect,
        rel_mde=plan.relative_to(baseline, effect),
        power=min(float(shown.sum()), 1.0),
        n_control=float(units[-1]),
        n_treatment=float(units[-1]) * plan.allocation,
        expected_control=float(stop @ units),
        stop=tuple(stop.tolist()),
        status="ok",
    )


def _se(baseline: Baseline, effect: float, n_control: float, plan: PowerPlan) -> float:
    """Standard error of the difference; a share's variance follows the effect."""
    treated = baseline.variance
    if baseline.share:
        share = min(max(baseline.value + effect, 0.0), 1.0)
        treated = share * (1 - share)
    spread = (baseline.variance + treated / plan.allocation) * (1 - plan.variance_reduction)
    return math.sqrt(spread / n_control)


def _status(baseline: Baseline, plan: PowerPlan, looks: Sequence[float], burn_in: int) -> Status:
    if not len(looks) or not looks[0] > 0 or not all(math.isfinite(n) for n in looks):
        raise ConfigError(f"looks == {list(looks)}, must be numbers of units above 0")
    status = plan.status(baseline)
    if status != "ok":
        return status
    return "burn_in" if looks[-1] * min(1.0, plan.allocation) < burn_in else "ok"


def _unknown(looks: Sequence[float], plan: PowerPlan, status: Status) -> SequentialPlanned:
    nan = math.nan
    stop = (nan,) * len(looks)
    return SequentialPlanned(nan, nan, nan, looks[-1], looks[-1] * plan.allocation, nan, stop, status)


def _agreed(plan: PowerPlan | None, boundary: Boundary) -> PowerPlan:
    if plan is None:
        return PowerPlan(alternative=boundary.alternative, alpha=boundary.alpha)
    sides: tuple[Alternative, Alternative] = (plan.alternative, boundary.alternative)
    if sides[0] != sides[1]:
        raise ConfigError(f"the plan's alternative is {sides[0]!r}, the boundary's {sides[1]!r}; must be the same")
    return plan
