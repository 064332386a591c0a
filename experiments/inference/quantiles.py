"""A quantile of an arm and how sure it is, where events are independent and where they cluster by unit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.estimates import Estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.inference.value_counts import Floats, ValueCounts

#: Half the window in which the density is measured, in standard errors of F(q): the order statistics at its ends are
#: those of a 95 % interval.
_WINDOW = float(special.ndtri(0.975))


def quantile_estimate(table: ValueCounts, level: float) -> Estimate:
    """Quantile of independent values, one per unit, q̂ = F̂⁻¹(p).

    Variance p (1 - p) / (n f(q)²), the density f from order statistics: with σ² = p (1 - p) / n,
    se = (F̂⁻¹(p + z σ) - F̂⁻¹(p - z σ)) / (2 z), z = 1.96, so that no bandwidth need be chosen (Deng, Knoblich & Lu 2018,
    KDD, arXiv 1803.06336, section 4). Where ties make the window fall on q̂ itself it reaches to the neighbouring values
    at least: rounded values show no difference finer than their rounding.

    >>> found = quantile_estimate(ValueCounts.from_rows(range(1, 1001)), 0.5)
    >>> found.value, round(found.variance**0.5, 2)
    (500.5, 15.8)

    Args:
        table: The arm's values.
        level: p, above 0 and below 1.

    Returns:
        The estimate; ``too_few_units`` where the window leaves the values, as with 100 values at a level of .99.

    Raises:
        ConfigError: level is not above 0 and below 1.
    """
    _check_level(level)
    if table.n == 0:
        return Estimate(math.nan, math.nan, 0, "no_units")
    return _estimate(table, level, level * (1 - level) / table.n, table.n)


def clustered_quantile_estimate(table: ValueCounts, below: Moments, level: float) -> Estimate:
    """Quantile of events where units were randomised and each brings several, e.g. latency by user.

    As ``quantile_estimate``, with σ² the variance of F̂(q̂) as a ratio of sums over units: events at most q̂, over events
    (delta method; Deng, Knoblich & Lu 2018, section 4; Liu, Sun, Varshney & Xu 2019, arXiv 1903.08762). Two passes:
    count the values and read q̂ off them, then count each unit's events at most q̂ (``counts_below``, or a GROUP BY).

    >>> units, values = [0, 0, 1, 1, 2, 2, 3, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    >>> table = ValueCounts.from_rows(values)
    >>> clustered_quantile_estimate(table, counts_below(units, values, table.quantile(0.5)), 0.5).n
    4

    Args:
        table: The values of all events.
        below: Of two numbers a unit: its events at most ``table.quantile(level)``, and its events.
        level: p, above 0 and below 1.

    Returns:
        The estimate, n being units; ``too_few_units`` as with ``quantile_estimate``.

    Raises:
        ConfigError: level is not above 0 and below 1.
        DataError: ``below`` counts other events than the table.
    """
    _check_level(level)
    events = float(below.n * below.mean[1]) if below.n else 0.0
    if abs(events - table.n) > 1e-6 * table.n:
        raise DataError(f"below counts {events:g} events, the table {table.n}; count the same events twice")
    if table.n == 0:
        return Estimate(math.nan, math.nan, 0, "no_units")
    share = ratio_estimate(below)
    if share.status != "ok":
        return Estimate(table.quantile(level), math.nan, below.n, share.status)
    return _estimate(table, level, share.variance, below.n)


def counts_below(units: npt.ArrayLike, values: npt.ArrayLike, threshold: float) -> Moments:
    """Moments of each unit's events at most a threshold, and of its events.

    >>> counts_below(["ann", "bob", "ann"], [1.0, 2.0, 3.0], 2.0).mean.tolist()
    [1.0, 1.5]

    Args:
        units: (n_events,) which unit each event is of: numbers or texts.
        values: (n_events,) finite numbers.
        threshold: As ``ValueCounts.quantile`` gives it.

    Raises:
        DataError: The shapes differ, or a value is not finite.
    """
    unit, value = np.asarray(units), np.asarray(values, np.float64)
    if unit.ndim != 1 or unit.shape != value.shape:
        raise DataError(f"units has shape {unit.shape}, values {value.shape}; both must be (n_events,)")
    wrong = int(np.count_nonzero(~np.isfinite(value)))
    if wrong:
        raise DataError(f"{wrong} of {len(value)} values are not finite; leave them out first")
    _, place, events = np.unique(unit, return_inverse=True, return_counts=True)
    below = np.bincount(place, weights=value <= threshold, minlength=len(events))
    return Moments.from_rows(np.stack([below, events.astype(np.float64)], axis=1))


def _estimate(table: ValueCounts, level: float, variance: float, n: int) -> Estimate:
    value = table.quantile(level)
    reach = _WINDOW * math.sqrt(variance)
    if n < 2 or level - reach < 0 or level + reach > 1:
        return Estimate(value, math.nan, n, "too_few_units")
    below, above = _neighbours(table.values, value)
    lower = min(table.quantile(level - reach), below)
    upper = max(table.quantile(level + reach), above)
    # Apart, so that values near the largest float do not overflow.
    se = upper / (2 * _WINDOW) - lower / (2 * _WINDOW)
    if not math.isfinite(se * se):
        return Estimate(value, math.nan, n, "not_finite")
    return Estimate(value, se * se, n)


def _neighbours(values: Floats, value: float) -> tuple[float, float]:
    """The values next below and above; the value itself where there is none."""
    lower, upper = int(np.searchsorted(values, value, side="left")), int(np.searchsorted(values, value, side="right"))
    return (
        float(values[lower - 1]) if lower else value,
        float(values[upper]) if upper < len(values) else value,
    )


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level == {level}, must be above 0 and below 1")
