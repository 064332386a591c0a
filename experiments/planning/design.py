"""How large an experiment must be and how long it takes, by the method it will be analysed with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import optimize

from core.errors import ConfigError
from experiments.inference.estimates import Status
from experiments.looks.confidence_sequences import BURN_IN
from experiments.looks.group_sequential import Boundary, spending_boundary
from experiments.planning.baselines import Baseline
from experiments.planning.duration import Week, days_needed, mde_by_week
from experiments.planning.power import achieved_power, sample_size
from experiments.planning.power_plan import PowerPlan
from experiments.planning.sequential_power import SequentialPlanned, group_power, group_sample_size, sequence_power

#: ``fixed``: one look at the end; ``sequential``: looks at will; ``group``: a planned number of looks.
DesignMethod = Literal["fixed", "sequential", "group"]
DESIGN_METHODS: tuple[DesignMethod, ...] = get_args(DesignMethod)
#: Looks that stand for reading a confidence sequence all the time; a day of six weeks each.
DAILY_LOOKS = 42
_CURVE_POINTS, _WEEKS = 41, 8


class PowerPoint(NamedTuple):
    """Power at one size.

    Attributes:
        n_control: Units of the control.
        power: Probability of showing the effect asked for, 0 … 1.
    """

    n_control: float
    power: float


@dataclass(frozen=True)
class Design:
    """A plan of an experiment.

    Attributes:
        method: How it will be analysed.
        baseline: What the metric is like today.
        mde: Smallest effect that is to be shown, in the metric's unit.
        rel_mde: The same over the baseline; NaN unless that is above 0.
        plan: Alpha, power, sides, and the rest.
        n_control: Units of the control, rounded up; NaN where nothing can be planned.
        n_treatment: Units of each other variant.
        total: All of them.
        n_star: For ``sequential``: units of two arms at which the planned sequence is tightest, which the analysis must
            be told; NaN for other methods.
        expected_total: How many it takes on average if the effect is real: looks may end it earlier.
        days: Whole days until the total has come; NaN without daily units, inf where they never suffice.
        weeks: What one look at the end of so many weeks could show; empty without daily units.
        curve: Power by size, from a tenth to twice the planned one.
        status: ``ok``, or why nothing can be planned.
    """

    method: DesignMethod
    baseline: Baseline
    mde: float
    rel_mde: float
    plan: PowerPlan
    n_control: float
    n_treatment: float
    total: float
    n_star: float
    expected_total: float
    days: float
    weeks: tuple[Week, ...]
    curve: tuple[PowerPoint, ...]
    status: Status


def design(
    baseline: Baseline,
    mde: float,
    plan: PowerPlan | None = None,
    *,
    method: DesignMethod = "fixed",
    looks: int = DAILY_LOOKS,
    treatments: int = 1,
    daily_new_units: float | Sequence[float] | None = None,
) -> Design:
    """Plan an experiment that shows an effect with the plan's power.

    Args:
        baseline: What the metric is like today.
        mde: Smallest effect that is to be shown; relative where the plan is.
        plan: Alpha, power and the rest; ``comparisons`` counts the tests, so with several treatments at least those.
        method: How it will be analysed.
        looks: For ``group``: how many, at equal shares of the units; for ``sequential``: how many are reckoned with.
        treatments: Variants beside the control, >= 1.
        daily_new_units: New units a day, of all variants together; or each day's.

    Returns:
        The design; with another ``status`` than ``ok`` its figures are NaN.

    Raises:
        ConfigError: An argument is not allowed, e.g. an effect of 0.
    """
    if method not in DESIGN_METHODS:
        raise ConfigError(f"method == {method!r}, must be one of {', '.join(DESIGN_METHODS)}")
    if treatments < 1 or looks < 1:
        raise ConfigError(f"treatments == {treatments}, looks == {looks}; both must be >= 1")
    plan = plan or PowerPlan()
    plan = replace(plan, comparisons=max(plan.comparisons, treatments))
    size = _Size(baseline, mde, plan, method, looks)
    n_control, expected, status = size.solved()
    n_control = math.ceil(n_control) if math.isfinite(n_control) else math.nan
    n_treatment = math.ceil(n_control * plan.allocation) if math.isfinite(n_control) else math.nan
    total = n_control + treatments * n_treatment
    known = math.isfinite(total)
    effect = plan.effect(mde, baseline) if baseline.status == "ok" else math.nan
    pairs = None if daily_new_units is None else np.asarray(daily_new_units) * _pair_share(plan, treatments)
    return Design(
        method=method,
        baseline=baseline,
        mde=effect,
        rel_mde=effect / baseline.value if baseline.value > 0 else math.nan,
        plan=plan,
        n_control=n_control,
        n_treatment=n_treatment,
        total=total,
        n_star=n_control + n_treatment if method == "sequential" else math.nan,
        expected_total=expected * (1 + treatments * plan.allocation),
        days=days_needed(total, daily_new_units) if known and daily_new_units is not None else math.nan,
        weeks=() if pairs is None else tuple(mde_by_week(baseline, pairs.tolist(), _WEEKS, plan)),
        curve=size.curve(n_control) if known else (),
        status=status,
    )


class _Solved(NamedTuple):
    n_control: float
    expected_control: float
    status: Status


class _Size(NamedTuple):
    """The size of one pair of arms, by method."""

    baseline: Baseline
    mde: float
    plan: PowerPlan
    method: DesignMethod
    looks: int

    def solved(self) -> _Solved:
        if self.method == "group":
            found = group_sample_size(self.baseline, self.mde, self._boundary(), self.plan)
            return _Solved(found.n_control, found.expected_control, found.status)
        fixed = sample_size(self.baseline, self.mde, self.plan)
        if self.method == "fixed" or fixed.status != "ok":
            return _Solved(fixed.n_control, fixed.n_control, fixed.status)
        return self._sequence(fixed.n_control)

    def power(self, n_control: float) -> float:
        """Power with so many units of the control."""
        if self.method == "fixed":
            return achieved_power(self.baseline, self.mde, n_control, self.plan).power
        if self.method == "group":
            return group_power(self.baseline, self.mde, n_control, self._boundary(), self.plan).power
        found = self._read(n_control)
        # Nothing is shown before burn-in.
        return 0.0 if found.status == "burn_in" else found.power

    def curve(self, n_control: float) -> tuple[PowerPoint, ...]:
        """From a tenth of a size to twice as much."""
        sizes = np.linspace(0.1, 2.0, _CURVE_POINTS) * n_control
        return tuple(PowerPoint(float(size), self.power(float(size))) for size in sizes if size >= 2)

    def _sequence(self, least: float) -> _Solved:
        """A sequence needs more than one look at the end does, and is not read before burn-in; tightest at its end."""
        least = max(least, BURN_IN / min(1.0, self.plan.allocation))
        needed = most = least
        while self.power(most) < self.plan.power:
            most *= 1.5
        if most > least:
            needed = float(optimize.brentq(lambda n: self.power(n) - self.plan.power, most / 1.5, most, rtol=1e-6))
        return _Solved(needed, self._read(math.ceil(needed)).expected_control, "ok")

    def _read(self, n_control: float) -> SequentialPlanned:
        looks = [n_control * (look + 1) / self.looks for look in range(self.looks)]
        n_star = n_control * (1 + self.plan.allocation)
        return sequence_power(self.baseline, self.mde, looks, n_star=n_star, plan=self.plan)

    def _boundary(self) -> Boundary:
        fractions = [(look + 1) / self.looks for look in range(self.looks)]
        return spending_boundary(fractions, alpha=self.plan.level, alternative=self.plan.alternative, last=True)


def _pair_share(plan: PowerPlan, treatments: int) -> float:
    """What the control and one treatment get of all units."""
    return (1 + plan.allocation) / (1 + treatments * plan.allocation)
