"""What a metric is like before an experiment: its value and how much one unit varies. Power is planned from it."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.errors import ConfigError
from experiments.inference.estimates import Estimate, Status


class Baseline(NamedTuple):
    """A metric of the control, as known beforehand.

    Attributes:
        value: Mean, share, ratio or quantile.
        variance: Of one unit: squared standard error of the value times units.
        share: The value is a share of units: its variance follows from it, in each arm.
        status: ``ok``, or why nothing can be planned.
    """

    value: float
    variance: float
    share: bool = False
    status: Status = "ok"


def mean_baseline(mean: float, sd: float) -> Baseline:
    """Mean of a number per unit.

    >>> mean_baseline(10.0, 3.0).variance
    9.0

    Args:
        mean: Of the control's units.
        sd: Standard deviation between units, >= 0.

    Raises:
        ConfigError: sd is negative.
    """
    if sd < 0:
        raise ConfigError(f"sd == {sd}, must be >= 0")
    return _checked(mean, sd * sd)


def proportion_baseline(share: float) -> Baseline:
    """Share of units with a success; p (1 - p) a unit.

    >>> round(proportion_baseline(0.1).variance, 3)
    0.09

    Raises:
        ConfigError: share lies outside 0 … 1.
    """
    if not (0 <= share <= 1 or math.isnan(share)):
        raise ConfigError(f"share == {share}, must be 0 … 1")
    return _checked(share, share * (1 - share), share=True)


def ratio_baseline(
    numerator_mean: float, denominator_mean: float, numerator_sd: float, denominator_sd: float, correlation: float
) -> Baseline:
    """Ratio of two sums per unit, by the delta method: (s_m² - 2 R s_md + R² s_d²) / d̄² a unit.

    Deng, Knoblich & Lu 2018, KDD, arXiv 1803.06336, eq. 3.

    >>> baseline = ratio_baseline(2.0, 10.0, 1.5, 4.0, 0.5)
    >>> baseline.value, round(baseline.variance, 4)
    (0.2, 0.0169)

    Args:
        numerator_mean: Of a unit, e.g. clicks.
        denominator_mean: Of a unit, e.g. impressions, not 0.
        numerator_sd: Between units, >= 0.
        denominator_sd: Between units, >= 0.
        correlation: Of the two over units, -1 … 1.

    Returns:
        The baseline; ``undefined_ratio`` where the denominator's mean is 0.

    Raises:
        ConfigError: A standard deviation is negative or the correlation outside -1 … 1.
    """
    if numerator_sd < 0 or denominator_sd < 0 or abs(correlation) > 1:
        raise ConfigError(
            f"numerator_sd == {numerator_sd}, denominator_sd == {denominator_sd}, correlation == {correlation}; "
            "must be >= 0, >= 0 and in -1 … 1"
        )
    if denominator_mean == 0:
        return Baseline(math.nan, math.nan, status="undefined_ratio")
    ratio = numerator_mean / denominator_mean
    spread = numerator_sd**2 - 2 * ratio * correlation * numerator_sd * denominator_sd + (ratio * denominator_sd) ** 2
    return _checked(ratio, max(spread, 0.0) / denominator_mean**2)


def quantile_baseline(value: float, probability: float, density: float) -> Baseline:
    """Quantile of a number per unit: q (1 - q) / f² a unit, f the density at the quantile.

    Serfling 1980, Approximation Theorems of Mathematical Statistics, section 2.3.3, corollary B.

    >>> round(quantile_baseline(0.0, 0.5, 0.3989423).variance, 4)
    1.5708

    Args:
        value: The quantile.
        probability: Which one, above 0 and below 1.
        density: Of the units at it, per unit of the value, > 0.

    Raises:
        ConfigError: probability or density is not allowed.
    """
    if not 0 < probability < 1 or not density > 0:
        raise ConfigError(f"probability == {probability}, density == {density}; must be in (0, 1) and above 0")
    return _checked(value, probability * (1 - probability) / density**2)


def estimated_baseline(estimate: Estimate, *, share: bool = False) -> Baseline:
    """From an arm at hand, of any metric kind, adjusted or not: variance times units.

    >>> estimated_baseline(Estimate(2.0, 0.25, 100)).variance
    25.0

    Args:
        estimate: Of past units of the control.
        share: It is a share of units.
    """
    if estimate.status != "ok":
        return Baseline(estimate.value, math.nan, share, estimate.status)
    return _checked(estimate.value, estimate.variance * estimate.n, share=share)


def _checked(value: float, variance: float, *, share: bool = False) -> Baseline:
    if not (math.isfinite(value) and math.isfinite(variance)):
        return Baseline(value, math.nan, share, "not_finite")
    return Baseline(value, variance, share, "ok" if variance > 0 else "no_variance")
