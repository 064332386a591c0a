"""How long an experiment must run, from how many new units come a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.inference.estimates import Status
from experiments.planning.baselines import Baseline
from experiments.planning.power import minimum_detectable_effect
from experiments.planning.power_plan import PowerPlan

Floats = npt.NDArray[np.float64]
_WEEK = 7


class Week(NamedTuple):
    """What a test can detect after some whole weeks.

    Attributes:
        week: 1-based.
        n_control: Distinct units of the control by then.
        n_treatment: Of the treatment.
        mde: Smallest effect that is shown with the plan's power.
        rel_mde: The same over the control's value; NaN unless that is above 0.
        status: ``ok``, or why figures are NaN.
    """

    week: int
    n_control: float
    n_treatment: float
    mde: float
    rel_mde: float
    status: Status


def units_seen(daily_visitors: float, days: int, *, population: float = math.inf) -> Floats:
    """Distinct units by the end of each day, where visitors come back.

    Of N units each visits on a day with probability v / N, whatever it did before: N (1 - (1 - v / N)^d) have been seen
    after d days (the mean of an occupancy; Feller 1968, Probability Theory I, section IV.2). Without a population every
    visitor is new: v d. Units differ in how often they come, so real counts flatten sooner at first and later more
    slowly: where there is a history, give ``days_needed`` its new units a day instead.

    >>> units_seen(1000, 3, population=5000).round().tolist()
    [1000.0, 1800.0, 2440.0]

    Args:
        daily_visitors: Distinct visitors on one day, >= 0.
        days: How many, >= 0.
        population: Units there are, at least daily_visitors; inf for no end of them.

    Returns:
        (days,) float64.

    Raises:
        ConfigError: One of them is not allowed.
    """
    if not 0 <= daily_visitors < math.inf or days < 0 or not population >= daily_visitors or not population > 0:
        raise ConfigError(
            f"daily_visitors == {daily_visitors}, days == {days}, population == {population}; must be >= 0, >= 0 and "
            "at least daily_visitors"
        )
    day = np.arange(1, days + 1, dtype=np.float64)
    if math.isinf(population):
        return daily_visitors * day
    with np.errstate(divide="ignore"):
        # Everybody comes on the first day where the share is 1: ln 0 is right.
        stayed_away = np.log1p(np.float64(-daily_visitors / population))
    return np.asarray(-population * np.expm1(day * stayed_away), np.float64)


def days_needed(n_units: float, daily_new_units: float | Sequence[float]) -> float:
    """Whole days until so many distinct units have been seen.

    >>> days_needed(14_000, 1500)
    10.0
    >>> days_needed(14_000, [5000, 3000, 2500])
    inf

    Args:
        n_units: In all arms together, >= 0.
        daily_new_units: New units of each day, >= 0; nothing is assumed beyond its end. Or one rate for every day.

    Returns:
        0 where nothing is needed; inf where the days given, or a rate of 0, do not bring that many; NaN where n_units
        is NaN.

    Raises:
        ConfigError: n_units is negative, or a day's new units are negative or not finite.
    """
    if n_units < 0:
        raise ConfigError(f"n_units == {n_units}, must be >= 0")
    new = np.asarray(daily_new_units, np.float64)
    if not (np.isfinite(new).all() and (new >= 0).all()):
        raise ConfigError(f"daily_new_units == {daily_new_units}, must be >= 0 and finite")
    if math.isnan(n_units) or n_units == 0:
        return n_units
    if new.ndim == 0:
        return float(math.ceil(n_units / float(new))) if new > 0 and math.isfinite(n_units) else math.inf
    # Sums of days may fall a rounding error short of what they were divided from.
    day = int(np.searchsorted(np.cumsum(new) * (1 + 1e-12), n_units))
    return float(day + 1) if day < len(new) else math.inf


def mde_by_week(
    baseline: Baseline, daily_new_units: float | Sequence[float], weeks: int, plan: PowerPlan | None = None
) -> list[Week]:
    """Smallest detectable effect after each whole week: what running longer buys.

    >>> from experiments.planning.baselines import proportion_baseline
    >>> [round(week.rel_mde, 3) for week in mde_by_week(proportion_baseline(0.10), 1000, 3)]
    [0.21, 0.146, 0.119]

    Args:
        baseline: The control's metric.
        daily_new_units: Of both arms together: of each day (weeks beyond its end are left out) or one rate.
        weeks: How many, >= 0.
        plan: How it will be tested; None for the defaults.

    Raises:
        ConfigError: weeks is negative, or a day's new units are negative or not finite.
    """
    if weeks < 0:
        raise ConfigError(f"weeks == {weeks}, must be >= 0")
    plan = plan or PowerPlan()
    new = np.asarray(daily_new_units, np.float64)
    if not (np.isfinite(new).all() and (new >= 0).all()):
        raise ConfigError(f"daily_new_units == {daily_new_units}, must be >= 0 and finite")
    days = np.full(weeks * _WEEK, new) if new.ndim == 0 else new
    seen = np.cumsum(days)[_WEEK - 1 :: _WEEK][:weeks]
    return [
        _week(place + 1, units / (1 + plan.allocation), baseline, plan) for place, units in enumerate(seen.tolist())
    ]


def _week(week: int, n_control: float, baseline: Baseline, plan: PowerPlan) -> Week:
    if n_control == 0:
        return Week(week, 0.0, 0.0, math.nan, math.nan, "no_units")
    found = minimum_detectable_effect(baseline, n_control, plan)
    return Week(week, n_control, found.n_treatment, found.mde, found.rel_mde, found.status)
