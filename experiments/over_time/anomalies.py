"""Days that do not look like the others: outliers of a daily metric, and days on which traffic broke off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError

Floats = npt.NDArray[np.float64]
#: ``high``, ``low``: far from what such days have; ``traffic_drop``: far fewer units than on the days before;
#: ``missing_day``: none at all between two days that have some.
AnomalyReason = Literal["high", "low", "traffic_drop", "missing_day"]
#: What a day is compared with: the other days of its weekday, or all others.
Baseline = Literal["weekday", "all_days"]
#: ``too_few_days``: nothing to compare with; ``no_variance``: all days are alike, nothing is an outlier.
AnomalyStatus = Literal["ok", "too_few_days", "no_variance"]

_MAD_TO_SD = float(1 / special.ndtri(0.75))
_MEAN_DEVIATION_TO_SD = math.sqrt(math.pi / 2)
_FEWEST_DAYS = 7
_FEWEST_OF_A_WEEKDAY = 4
_LONGEST = 100_000


class Anomaly(NamedTuple):
    """One day.

    Attributes:
        day: Its number.
        value: What was seen.
        expected: What such days have.
        score: How far off: robust z of a metric; share of the expected traffic that is missing, 0 … 1.
        reason: Why it is flagged.
    """

    day: int
    value: float
    expected: float
    score: float
    reason: AnomalyReason


@dataclass(frozen=True)
class Anomalies:
    """What was found.

    Attributes:
        flags: In the order of days.
        baseline: What days were compared with.
        status: ``ok``, ``too_few_days`` or ``no_variance``.
    """

    flags: tuple[Anomaly, ...]
    baseline: Baseline
    status: AnomalyStatus


def metric_outliers(days: npt.ArrayLike, values: npt.ArrayLike, *, threshold: float = 4.5) -> Anomalies:
    """Days on which a metric is far from what such days have.

    Each day against the median of the *other* days of its weekday, if each weekday is there four times or more; else
    against that of all other days, and a weekly rhythm then counts as spread. z = r / s, r the distance from that
    median, s = 1.4826 · median |r - median r| (Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers, p. 11; their
    3.5 is for one look at one value); where more than half the distances are equal, s = 1.2533 · mean |r - median r|.
    A day left out of its own median is no smaller an outlier for having been counted. A trend is not taken out.

    Of series of quiet normal days, at least eight long, the default flags any day at all in four of a hundred at most.

    >>> found = metric_outliers(range(10), [5, 6, 5, 7, 6, 5, 60, 6, 7, 5])
    >>> [(flag.day, flag.expected, flag.reason) for flag in found.flags], found.baseline
    ([(6, 6.0, 'high')], 'all_days')

    Args:
        days: (n,) whole numbers, all different (``periods.period_numbers``), in any order.
        values: (n,) the metric; days on which it is not finite do not count.
        threshold: Flag beyond this |z|, > 0.

    Returns:
        The flags; none where ``status`` says why.

    Raises:
        ConfigError: threshold is not above 0.
        DataError: Not one value per day, or a day comes twice.
    """
    if not 0 < threshold < math.inf:
        raise ConfigError(f"threshold == {threshold}, must be a robust z above 0, e.g. 4.5")
    day, value = _series(days, values)
    known = np.isfinite(value)
    day, value = day[known], value[known]
    counts = np.bincount(day % 7, minlength=7)
    by_weekday = bool((counts >= _FEWEST_OF_A_WEEKDAY).all())
    baseline: Baseline = "weekday" if by_weekday else "all_days"
    if len(day) < _FEWEST_DAYS:
        return Anomalies((), baseline, "too_few_days")
    expected = _median_of_others(value, day % 7 if by_weekday else np.zeros_like(day))
    apart = value - expected
    spread = _spread(apart)
    if spread == 0:
        return Anomalies((), baseline, "no_variance")
    score = apart / spread
    flags = tuple(
        Anomaly(int(day[i]), float(value[i]), float(expected[i]), float(score[i]), "high" if score[i] > 0 else "low")
        for i in np.flatnonzero(np.abs(score) > threshold).tolist()
    )
    return Anomalies(flags, baseline, "ok")


def traffic_drops(
    days: npt.ArrayLike, counts: npt.ArrayLike, *, drop: float = 0.5, window: int = 7, alpha: float = 1e-4
) -> Anomalies:
    """Days on which far fewer units came than on the days before.

    A day is flagged if its count c is below (1 - drop) · m, m the median of the ``window`` days before (a whole week,
    so that each weekday is in it once; fewer at the start, three at least), and if chance does not explain it: a
    Poisson count of mean m is c or less with probability below alpha. Days between the first and the last that are
    missing count as days of no traffic. After half a window of little traffic, little is what is expected.

    >>> found = traffic_drops([0, 1, 2, 3, 4, 6], [900, 950, 870, 910, 300, 905])
    >>> [(flag.day, flag.expected, flag.reason) for flag in found.flags]
    [(4, 905.0, 'traffic_drop'), (5, 900.0, 'missing_day')]

    Args:
        days: (n,) whole numbers, all different, in any order.
        counts: (n,) units or events, >= 0.
        drop: Share of the traffic that must be missing, above 0 and below 1.
        window: Days before to compare with, >= 3.
        alpha: Chance of so few, above 0 and below 1.

    Returns:
        The flags; their score is the share of m that is missing.

    Raises:
        ConfigError: drop, window or alpha is not allowed.
        DataError: Not one count per day, a count below 0 or not finite, a day comes twice, or they span centuries.
    """
    for name, given in (("drop", drop), ("alpha", alpha)):
        if not 0 < given < 1:
            raise ConfigError(f"{name} == {given}, must be above 0 and below 1")
    if not window >= 3:
        raise ConfigError(f"window == {window}, must be 3 days or more")
    day, count = _series(days, counts)
    if not (np.isfinite(count) & (count >= 0)).all():
        raise DataError("counts must be finite and >= 0")
    if len(day) < 4:
        return Anomalies((), "all_days", "too_few_days")
    if day[-1] - day[0] >= _LONGEST:
        raise DataError(f"days run from {day[0]} to {day[-1]}, more than {_LONGEST:,}; give days, not seconds")
    whole = np.arange(day[0], day[-1] + 1)
    seen, traffic = np.zeros(len(whole), np.bool_), np.zeros(len(whole))
    seen[day - day[0]], traffic[day - day[0]] = True, count
    before = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.full(window, np.nan), traffic]), window)[:-1]
    expected = np.full(len(whole), np.nan)
    expected[3:] = np.nanmedian(before[3:], axis=1)
    low = (expected > 0) & (traffic < (1 - drop) * expected)
    low[low] = special.pdtr(np.floor(traffic[low]), expected[low]) < alpha
    flags = tuple(
        Anomaly(
            int(whole[i]),
            float(traffic[i]),
            float(expected[i]),
            float(1 - traffic[i] / expected[i]) if expected[i] > 0 else math.nan,
            "traffic_drop" if seen[i] else "missing_day",
        )
        for i in np.flatnonzero(low | ~seen).tolist()
    )
    return Anomalies(flags, "all_days", "ok")


def _series(days: npt.ArrayLike, values: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Floats]:
    """Both in the order of days."""
    day, value = np.asarray(days), np.asarray(values, np.float64)
    if day.shape != value.shape or day.ndim != 1:
        raise DataError(f"days has shape {day.shape}, values {value.shape}; must both be (n,)")
    if day.size and day.dtype.kind not in "iu":
        raise DataError(f"days are {day.dtype}, must be whole numbers; make them by period_numbers")
    order = np.argsort(day, kind="stable")
    day, value = day[order].astype(np.int64), value[order]
    twice = np.flatnonzero(np.diff(day) == 0)
    if len(twice):
        raise DataError(f"day {day[twice[0]]} comes twice; add its values up first")
    return day, value


def _median_of_others(values: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """(n,) median of each value's group without the value itself."""
    medians = np.empty(len(values))
    for group in np.unique(groups).tolist():
        inside = np.flatnonzero(groups == group)
        order = inside[np.argsort(values[inside], kind="stable")]
        ordered, last = values[order], len(order) - 1
        # Without the value at place i, what lay behind it moves one place forward.
        place = np.arange(len(order))
        left, right = (last - 1) // 2, last // 2
        medians[order] = (ordered[left + (place <= left)] + ordered[right + (place <= right)]) / 2
    return medians


def _spread(apart: Floats) -> float:
    distance = np.abs(apart - np.median(apart))
    return float(np.median(distance)) * _MAD_TO_SD or float(distance.mean()) * _MEAN_DEVIATION_TO_SD
