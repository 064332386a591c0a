"""Effects by day, week and month: each period for itself, and all until its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.inference.comparison import Alternative, Comparison
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
Integers = npt.NDArray[np.int64]

_DAY = 86_400
#: Offsets that clocks somewhere on Earth show.
_OFFSETS = (-12 * 60, 14 * 60)
#: Day 0, 1 January 1970, was a Thursday: the Monday of its week lies three days before.
_SINCE_MONDAY = 3


class PeriodComparison(NamedTuple):
    """One period.

    Attributes:
        period: Its number (``period_numbers``).
        comparison: Treatment against control.
    """

    period: int
    comparison: Comparison


def period_numbers(timestamps: npt.ArrayLike, period: Period, *, offset_minutes: int = 0) -> Integers:
    """The day, week or month of each moment, counted from that of 1 January 1970.

    Days begin at midnight, weeks on Monday, of a clock that is ``offset_minutes`` ahead of UTC all the year round: no
    summer time.

    >>> period_numbers([0, 86_399, 86_400, -1], "day").tolist()
    [0, 0, 1, -1]
    >>> period_numbers([3 * 86_400, 4 * 86_400], "week").tolist(), period_numbers([31 * 86_400], "month").tolist()
    ([0, 1], [1])

    Args:
        timestamps: (n,) whole seconds since 1970-01-01 00:00 UTC, negative before.
        period: ``day``, ``week`` or ``month``.
        offset_minutes: Of the clock, -720 … 840; 540 for Seoul.

    Returns:
        (n,) int64; empty without moments.

    Raises:
        DataError: timestamps are no whole numbers.
        ConfigError: period or offset_minutes is not allowed.
    """
    _check(period, offset_minutes)
    seconds = np.asarray(timestamps)
    if seconds.size and seconds.dtype.kind not in "iu":
        raise DataError(f"timestamps are {seconds.dtype}, must be whole seconds since 1970; convert them first")
    day = (seconds.astype(np.int64) + offset_minutes * 60) // _DAY
    if period == "day":
        return day
    if period == "week":
        return (day + _SINCE_MONDAY) // 7
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def period_starts(numbers: npt.ArrayLike, period: Period, *, offset_minutes: int = 0) -> Integers:
    """The first second of each period, the inverse of ``period_numbers``.

    >>> period_starts([0, 1], "month").tolist()
    [0, 2678400]
    >>> period_starts([0], "week").tolist(), period_starts([1], "day", offset_minutes=540).tolist()
    ([-259200], [54000])

    Args:
        numbers: (n,) int, of ``period_numbers``.
        period: What they number.
        offset_minutes: Of the clock, as given there.

    Returns:
        (n,) int64 seconds since 1970-01-01 00:00 UTC.

    Raises:
        ConfigError: period or offset_minutes is not allowed.
    """
    _check(period, offset_minutes)
    number = np.asarray(numbers, np.int64)
    if period == "week":
        day = number * 7 - _SINCE_MONDAY
    elif period == "month":
        day = number.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    else:
        day = number
    return np.asarray(day * _DAY - offset_minutes * 60, np.int64)


def period_moments(units: npt.ArrayLike, periods: npt.ArrayLike, rows: npt.ArrayLike) -> dict[int, Moments]:
    """Moments of one arm's units in each period, each unit once with the sum of what its events there brought.

    >>> found = period_moments([7, 7, 8, 7], [0, 0, 0, 1], [1.0, 1.0, 4.0, 9.0])
    >>> [(period, moments.n, moments.mean.tolist()) for period, moments in found.items()]
    [(0, 2, [3.0]), (1, 1, [9.0])]

    Args:
        units: (n,) whole numbers, the unit of each event.
        periods: (n,) int, its period.
        rows: (n, p) what it brings, or (n,) for p = 1.

    Returns:
        By period, in order, those that have events. The same unit is in several of them: do not merge them.

    Raises:
        DataError: The shapes do not fit, or a number is not finite.
    """
    found: dict[int, Moments] = {}
    for number, place, table in _by_period(units, periods, rows):
        seen, among_seen = np.unique(place, return_inverse=True)
        found[number] = Moments.from_rows(_sums(among_seen.astype(np.int64), table, len(seen)))
    return found


def cumulative_moments(units: npt.ArrayLike, periods: npt.ArrayLike, rows: npt.ArrayLike) -> dict[int, Moments]:
    """Moments of one arm's units from the start to the end of each period, each unit once with its sum so far.

    >>> found = cumulative_moments([7, 7, 8, 7], [0, 0, 0, 1], [1.0, 1.0, 4.0, 9.0])
    >>> [(period, moments.n, moments.mean.tolist()) for period, moments in found.items()]
    [(0, 2, [3.0]), (1, 2, [7.5])]

    Arguments and errors: ``period_moments``.

    Returns:
        By period, in order, those that have events; the last holds everything.
    """
    found: dict[int, Moments] = {}
    parts = _by_period(units, periods, rows)
    n_units = 1 + max((int(place.max()) for _, place, _ in parts), default=-1)
    size = parts[0][2].shape[1] if parts else 1
    total, seen = np.zeros((n_units, size)), np.zeros(n_units, np.bool_)
    for number, place, table in parts:
        total += _sums(place, table, n_units)
        seen[place] = True
        found[number] = Moments.from_rows(total[seen])
    return found


def compare_periods(
    treatment: Mapping[int, Moments],
    control: Mapping[int, Moments],
    *,
    estimate: Callable[[Moments], Estimate] = mean_estimate,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> tuple[PeriodComparison, ...]:
    """Treatment against control in each period, by Welch's test, each as if it were the only look.

    For pictures and for ``novelty``. Whoever stops on what a period shows looks many times: use ``sequential``.

    >>> day = {0: Moments.from_rows([1.0, 2.0, 3.0])}
    >>> [(found.period, found.comparison.pvalue) for found in compare_periods(day, day)]
    [(0, 1.0)]

    Args:
        treatment: The treatment's moments by period (``period_moments`` or ``cumulative_moments``).
        control: The control's.
        estimate: Makes the metric of the moments: ``mean_estimate``, ``ratio_estimate`` …
        alpha: Of each interval.
        alternative: What is to be shown of treatment - control.

    Returns:
        In the order of periods; one that an arm lacks has the status ``no_units``.

    Raises:
        ConfigError: alpha or alternative is not allowed.
    """
    size = next((moments.size for moments in (*treatment.values(), *control.values())), 1)
    nobody = Moments.empty(size)
    return tuple(
        PeriodComparison(
            period,
            welch(
                estimate(treatment.get(period, nobody)),
                estimate(control.get(period, nobody)),
                alpha=alpha,
                alternative=alternative,
            ),
        )
        for period in sorted({*treatment, *control})
    )


def _by_period(
    units: npt.ArrayLike, periods: npt.ArrayLike, rows: npt.ArrayLike
) -> list[tuple[int, Integers, npt.NDArray[np.float64]]]:
    """Each period's number with its events' units, numbered from 0 over all periods, and rows."""
    unit, period, table = np.asarray(units), np.asarray(periods), np.asarray(rows, np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or not unit.shape == period.shape == table.shape[:1]:
        raise DataError(
            f"units has shape {unit.shape}, periods {period.shape}, rows {table.shape}; must be (n,), (n,), (n, p)"
        )
    place = np.unique(unit, return_inverse=True)[1]
    order = np.argsort(period, kind="stable")
    number, start = np.unique(period[order], return_index=True)
    parts = zip(number.tolist(), np.split(order, start[1:]), strict=False)
    return [(int(one), place[chosen].astype(np.int64), table[chosen]) for one, chosen in parts]


def _sums(place: Integers, table: npt.NDArray[np.float64], n_units: int) -> npt.NDArray[np.float64]:
    """(n_units, p) sum of the rows of each unit."""
    return np.stack([np.bincount(place, column, n_units) for column in table.T], axis=1)


def _check(period: str, offset_minutes: int) -> None:
    if period not in PERIODS:
        raise ConfigError(f"period == {period!r}, must be one of {', '.join(PERIODS)}")
    if not _OFFSETS[0] <= offset_minutes <= _OFFSETS[1] or offset_minutes != int(offset_minutes):
        raise ConfigError(
            f"offset_minutes == {offset_minutes}, must be whole minutes {_OFFSETS[0]} … {_OFFSETS[1]}, e.g. 540"
        )
