"""An experiment over time: its effect by period and so far, whether it wears off, odd days, and lasting shifts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.inference.comparison import Comparison
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.metrics import MetricKind
from experiments.over_time.anomalies import Anomalies, metric_outliers, traffic_drops
from experiments.over_time.cusum import Cusum, cusum, decision_interval
from experiments.over_time.novelty import Novelty, novelty
from experiments.over_time.periods import (
    Period,
    PeriodComparison,
    compare_periods,
    cumulative_moments,
    period_moments,
    period_numbers,
)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Of the effects that novelty is looked for in: a share of the control's, or in the metric's unit.
NoveltyScale = Literal["relative", "absolute"]

_DAY = 86_400
#: Days since first exposure that are looked at, at most.
_LONGEST_AGE = 28
#: Share of the median day's units below which a day's metric is not looked at.
_THIN = 0.5
#: New units on a day below which their split is not looked at.
_FEWEST_NEW = 10
#: Chance of a false alarm of all charts together, over the days there are.
_FALSE_ALARM = 0.05
_MOST_DAYS_AS_DAYS, _MOST_DAYS_AS_WEEKS = 31, 182


@dataclass(frozen=True, eq=False)
class UnitsByDay:
    """One metric of one arm: what each unit brings on each day.

    Attributes:
        unit: (n,) int64, the unit.
        day: (n,) int64, days since 1 January 1970; a unit has each once.
        rows: (n, p) float64, finite: its number, or numerator and denominator of a ratio.
    """

    unit: Integers
    day: Integers
    rows: Floats


class PeriodReading(NamedTuple):
    """One period.

    Attributes:
        period: Its number (``periods.period_numbers``).
        alone: The comparison of what units brought in it, of those that came.
        so_far: The comparison of everything until its end.
    """

    period: int
    alone: Comparison
    so_far: Comparison


class NoveltyReading(NamedTuple):
    """Whether the effect goes with the days since first exposure.

    Attributes:
        found: The fit.
        scale: Of the effects.
        units: Units of both arms that have had all these days.
    """

    found: Novelty
    scale: NoveltyScale
    units: int


class Shift(NamedTuple):
    """A chart that looks for a lasting shift.

    Attributes:
        chart: CUSUM of the standardised days.
        days: (n,) int64, the days that it saw.
        run_length: Days until it alarms at nothing, on average.
    """

    chart: Cusum
    days: Integers
    run_length: float


def default_period(days: Integers) -> Period:
    """Days, weeks or months, so that some thirty periods are left at most.

    >>> default_period(np.array([0, 30])), default_period(np.array([0, 31])), default_period(np.array([0, 400]))
    ('day', 'week', 'month')
    """
    span = int(days.max() - days.min()) + 1 if len(days) else 0
    return "day" if span <= _MOST_DAYS_AS_DAYS else "week" if span <= _MOST_DAYS_AS_WEEKS else "month"


def period_readings(
    treatment: UnitsByDay,
    control: UnitsByDay,
    kind: MetricKind,
    period: Period,
    *,
    compare: Callable[[Estimate, Estimate], Comparison] = welch,
    alpha: float = 0.05,
) -> tuple[PeriodReading, ...]:
    """Treatment against control in each period, and until the end of each.

    The last ``so_far`` is the whole experiment. A unit with a success in several periods counts in each of them for
    itself, and once so far.

    >>> day = UnitsByDay(np.array([1, 1, 2]), np.array([0, 1, 0]), np.array([[1.0], [1.0], [4.0]]))
    >>> [(one.period, one.alone.control_value, one.so_far.control_value)
    ...  for one in period_readings(day, day, "mean", "day")]
    [(0, 2.5, 2.5), (1, 1.0, 3.0)]

    Args:
        treatment: The treatment's units.
        control: The control's.
        kind: Of the metric, not ``quantile``.
        period: ``day``, ``week`` or ``month``.
        compare: How everything until a period's end is compared; what may be looked at again is by a sequential way.
        alpha: Of each period's interval, as if it were the only one.

    Returns:
        In order, those with events in either arm.

    Raises:
        ConfigError: The metric is a quantile, or period or alpha is not allowed.
    """
    estimate = _estimate_of(kind)
    arms = [_by_period(arm, kind, period) for arm in (treatment, control)]
    alone = compare_periods(
        *(period_moments(arm.unit, arm.day, arm.rows) for arm in arms), estimate=estimate, alpha=alpha
    )
    so_far = [
        cumulative_moments(arm.unit, arm.day, arm.rows)
        for arm in (_first_success(arm) if kind == "proportion" else arm for arm in arms)
    ]
    return tuple(_with_so_far(alone, so_far, estimate, compare))


def novelty_reading(
    treatment: UnitsByDay, control: UnitsByDay, kind: MetricKind, *, alpha: float = 0.05
) -> NoveltyReading:
    """The effect by days since first exposure, of units that have had all these days.

    With L days from the first to the last, ages 0 … min(L / 2, 28) of the units whose first day leaves room for them: a
    unit that did not come on a day brought 0. Relative effects, because people come less often as time goes on, which
    makes any difference smaller without wearing it off; absolute ones where fewer than three days have relative ones.

    Args:
        treatment: The treatment's units.
        control: The control's.
        kind: Of the metric, not ``quantile``.
        alpha: Level of the trend.

    Returns:
        The reading; ``too_few_days`` where it has fewer than three ages.

    Raises:
        ConfigError: The metric is a quantile, or alpha is not allowed.
    """
    estimate = ratio_estimate if kind == "ratio" else _estimate_of(kind)
    firsts = [_first_days(arm) for arm in (treatment, control)]
    known = np.concatenate([arm.day for arm in (treatment, control)])
    span = int(known.max() - known.min()) if len(known) else 0
    oldest = min(span // 2, _LONGEST_AGE)
    latest = int(known.max()) - oldest if len(known) else 0
    cohorts = [_by_age(arm, first, latest, oldest) for arm, first in zip((treatment, control), firsts, strict=True)]
    effects = [welch(estimate(one), estimate(two), alpha=alpha) for one, two in zip(*cohorts, strict=True)]
    ages = np.arange(len(effects))
    units = sum(cohort[0].n for cohort in cohorts) if effects else 0
    relative = sum(math.isfinite(one.rel_se) and one.rel_se > 0 for one in effects) >= 3
    pairs = [(one.rel_effect_size, one.rel_se) if relative else (one.effect_size, one.se) for one in effects]
    found = novelty(ages, [effect for effect, _ in pairs], [se for _, se in pairs], alpha=alpha)
    return NoveltyReading(found, "relative" if relative else "absolute", units)


def odd_metric_days(arm: UnitsByDay, kind: MetricKind) -> Anomalies:
    """Days on which an arm's metric is far from what such days have (``anomalies.metric_outliers``).

    Days with fewer than half as many units as the median day has are left out: what few units do is chance.
    """
    estimate = _estimate_of(kind)
    moments = period_moments(arm.unit, arm.day, arm.rows)
    usual = float(np.median([one.n for one in moments.values()])) if moments else 0.0
    full = {day: one for day, one in moments.items() if one.n >= _THIN * usual}
    return metric_outliers(np.array(list(full), np.int64), [estimate(one).value for one in full.values()])


def odd_traffic_days(unit_days: Integers) -> Anomalies:
    """Days on which far fewer units came (``anomalies.traffic_drops``).

    Args:
        unit_days: (n,) int64, the day of each unit on each day it came.
    """
    days, counts = np.unique(unit_days, return_counts=True)
    return traffic_drops(days, counts)


def effect_shift(treatment: UnitsByDay, control: UnitsByDay, kind: MetricKind, *, charts: int = 1) -> Shift:
    """A lasting shift of the daily effect, e.g. since a deployment broke one arm.

    CUSUM of the recursive residuals z_t = (d_t - d̄_t) / √(se_t² + 1 / W_t), d_t the day's difference, d̄_t the mean
    of the days before weighted by 1 / se², W_t the sum of these weights: without a shift they are independent and
    standard normal, however long peace lasted (Hawkins 1987, The Statistician 36:299, the self-starting CUSUM, with
    known errors). What happens to both arms alike, weekdays and holidays, cancels.

    Args:
        treatment: The treatment's units.
        control: The control's.
        kind: Of the metric, not ``quantile``.
        charts: How many charts are looked at: ``_FALSE_ALARM`` is for all of them together.

    Returns:
        The chart, from the second day that can be compared on.

    Raises:
        ConfigError: The metric is a quantile.
    """
    days = [period_moments(arm.unit, arm.day, arm.rows) for arm in (treatment, control)]
    found = [
        one
        for one in compare_periods(*days, estimate=_estimate_of(kind))
        if math.isfinite(one.comparison.se) and one.comparison.se > 0
    ]
    effect = np.array([one.comparison.effect_size for one in found], np.float64)
    se = np.array([one.comparison.se for one in found], np.float64)
    number = np.array([one.period for one in found], np.int64)
    if len(se) < 2:
        return _shift(np.zeros(0), number[:0], charts)
    # In units of the smallest error: squares of tiny ones would overflow.
    unit = float(se.min())
    weight = (unit / se) ** 2
    so_far = np.cumsum(weight)[:-1]
    before = np.cumsum(weight * effect)[:-1] / so_far
    return _shift((effect[1:] - before) / (unit * np.sqrt(1 / weight[1:] + 1 / so_far)), number[1:], charts)


def split_shift(new_units: Mapping[int, int], all_new: Mapping[int, int], share: float, *, charts: int = 1) -> Shift:
    """A lasting shift of the split, e.g. since a redirect lost one arm's units.

    CUSUM of (n_t - N_t p) / √(N_t p (1 - p)), n_t the arm's units among the N_t that were new on day t; days with fewer
    than ten are left out. Nothing is estimated: p is what was intended.

    Args:
        new_units: Day to units of the arm that came first on it.
        all_new: Day to units of all arms that did.
        share: p, the intended share, above 0 and below 1.
        charts: See ``effect_shift``.

    Raises:
        ConfigError: share is not above 0 and below 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"share == {share}, must be above 0 and below 1")
    days = np.array(sorted(day for day, count in all_new.items() if count >= _FEWEST_NEW), np.int64)
    everybody = np.array([all_new[day] for day in days.tolist()], np.float64)
    own = np.array([new_units.get(day, 0) for day in days.tolist()], np.float64)
    return _shift((own - everybody * share) / np.sqrt(everybody * share * (1 - share)), days, charts)


def new_by_day(arm_unit: Integers, arm_day: Integers) -> dict[int, int]:
    """Units of one arm by the first day they came.

    >>> new_by_day(np.array([7, 7, 8]), np.array([3, 4, 4]))
    {3: 1, 4: 1}
    """
    unit, place = np.unique(arm_unit, return_inverse=True)
    first = np.full(len(unit), np.iinfo(np.int64).max)
    np.minimum.at(first, place, arm_day)
    days, counts = np.unique(first, return_counts=True)
    return dict(zip(days.tolist(), counts.tolist(), strict=True))


def _shift(z: Floats, days: Integers, charts: int) -> Shift:
    run_length = min(max(len(days) * charts / _FALSE_ALARM, 50.0), 1e6)
    return Shift(cusum(z, h=_interval_of(run_length)), days, run_length)


@lru_cache(maxsize=64)
def _interval_of(run_length: float) -> float:
    return decision_interval(run_length)


def _estimate_of(kind: MetricKind) -> Callable[[Moments], Estimate]:
    if kind == "quantile":
        raise ConfigError("a quantile is not read over time; give a mean, proportion or ratio")
    if kind == "proportion":
        return _share_estimate
    return ratio_estimate if kind == "ratio" else mean_estimate


def _share_estimate(moments: Moments) -> Estimate:
    return proportion_estimate(moments.n, round(float(moments.mean[0]) * moments.n) if moments.n else 0)


def _by_period(arm: UnitsByDay, kind: MetricKind, period: Period) -> UnitsByDay:
    """Days made periods; a share's rows, one per unit and period."""
    number = period_numbers(arm.day * _DAY, period)
    if kind != "proportion" or period == "day":
        return UnitsByDay(arm.unit, number, arm.rows)
    pair, place = np.unique(np.stack([arm.unit, number], axis=1), axis=0, return_inverse=True)
    most = np.zeros((len(pair), 1))
    np.maximum.at(most, place.ravel(), arm.rows)
    return UnitsByDay(pair[:, 0], pair[:, 1], most)


def _first_success(arm: UnitsByDay) -> UnitsByDay:
    """With each unit's first success alone, so that sums so far are 1 at most."""
    order = np.lexsort((arm.day, arm.unit))
    unit, hit = arm.unit[order], arm.rows[order, 0] > 0
    so_far = np.cumsum(hit)
    begins = np.concatenate([[True], unit[1:] != unit[:-1]]) if len(unit) else np.zeros(0, np.bool_)
    before = np.repeat((so_far - hit)[begins], np.diff(np.append(np.flatnonzero(begins), len(unit))))
    rows = (hit & (so_far - before == 1)).astype(np.float64)[:, np.newaxis]
    return UnitsByDay(unit, arm.day[order], rows)


def _with_so_far(
    alone: Sequence[PeriodComparison],
    so_far: Sequence[Mapping[int, Moments]],
    estimate: Callable[[Moments], Estimate],
    compare: Callable[[Estimate, Estimate], Comparison],
) -> list[PeriodReading]:
    size = next((moments.size for arm in so_far for moments in arm.values()), 1)
    last = [Moments.empty(size), Moments.empty(size)]
    found = []
    for one in alone:
        # An arm without events in a period keeps what it had.
        last = [arm.get(one.period, before) for arm, before in zip(so_far, last, strict=True)]
        found.append(PeriodReading(one.period, one.comparison, compare(estimate(last[0]), estimate(last[1]))))
    return found


def _first_days(arm: UnitsByDay) -> Integers:
    """(n,) the first day of each row's unit."""
    unit, place = np.unique(arm.unit, return_inverse=True)
    first = np.full(len(unit), np.iinfo(np.int64).max)
    np.minimum.at(first, place, arm.day)
    return first[place]


def _by_age(arm: UnitsByDay, first: Integers, latest: int, oldest: int) -> list[Moments]:
    """Moments of the units that came first by ``latest``, at each age; those that did not come brought 0."""
    if arm.rows.ndim != 2:
        raise DataError(f"rows has shape {arm.rows.shape}, must be (n, p)")
    chosen = first <= latest
    n = len(np.unique(arm.unit[chosen]))
    age, rows = (arm.day - first)[chosen], arm.rows[chosen]
    found = []
    for place in range(oldest + 1):
        there = rows[age == place]
        found.append(Moments.from_sums(n, there.sum(axis=0).tolist(), there.T @ there))
    return found
