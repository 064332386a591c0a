"""Sample ratio mismatch: whether the units split as they were meant to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from scipy import special

from core.errors import ConfigError, DataError

SrmStatus = Literal["ok", "no_units", "stray_units"]

PRIOR_UNITS = 100.0
"""Weight of the Dirichlet mixture in units: what Lindon's reference implementation takes. Around as many units it is
most sensitive; more would see smaller mismatches in more units, and large ones later."""


class SampleRatio(NamedTuple):
    """Result of a sample ratio test.

    Attributes:
        pvalue: Over the arms that have weight, 0 … 1; NaN without units or with fewer than two such arms.
        stray: Units found in arms of weight 0: an alarm of its own, whatever the p-value.
        status: ``ok``; ``no_units``: nothing to judge; ``stray_units``: see ``stray``.
    """

    pvalue: float
    stray: int
    status: SrmStatus

    def alarm(self, alpha: float = 0.001) -> bool:
        """Whether the split is not to be trusted: units where none should be, or a p-value below alpha.

        >>> fixed_srm([1000, 1200], [0.5, 0.5]).alarm(), fixed_srm([1000, 1010], [0.5, 0.5]).alarm()
        (True, False)
        """
        return self.stray > 0 or self.pvalue < alpha


def fixed_srm(counts: Sequence[int], weights: Sequence[float]) -> SampleRatio:
    """Pearson's chi-squared test of the split, for one look only.

    χ² = Σ (count - N w)² / (N w) over the arms of weight w > 0, weights scaled to sum 1, on k - 1 degrees of freedom.

    >>> f"{fixed_srm([1000, 1200], [0.5, 0.5]).pvalue:.4g}"
    '2.008e-05'
    >>> fixed_srm([1000, 1200, 900], [0.5, 0.5, 0]).status
    'stray_units'

    Args:
        counts: Units per arm, >= 0.
        weights: Intended share per arm, >= 0, on any scale.

    Raises:
        DataError: Negative counts, or not one weight per count.
        ConfigError: Weights that are negative, not finite or all 0.
    """
    units, shares, stray = _weighted_arms(counts, weights)
    total = sum(units)
    if total == 0 or len(units) < 2:
        return SampleRatio(math.nan, stray, "stray_units" if stray else "no_units")
    chi2 = sum((count - total * share) ** 2 / (total * share) for count, share in zip(units, shares, strict=True))
    pvalue = float(special.chdtrc(len(units) - 1, chi2))
    return SampleRatio(pvalue, stray, "stray_units" if stray else "ok")


def sequential_srm(counts: Sequence[int], weights: Sequence[float], *, prior_units: float = PRIOR_UNITS) -> SampleRatio:
    """Sample ratio test that may be read after every unit: false alarms over all looks together at most alpha.

    The multinomial likelihood under a Dirichlet(α) mixture, α = prior_units · w, over the likelihood at the intended
    weights w, is a martingale if the split is right:
    O_n = Γ(Σα) / Γ(Σα + n) · Π_i Γ(α_i + x_i) / Γ(α_i) · Π_i w_i^(-x_i), and p_n = min(1, 1 / O_n) is below alpha at
    any n with probability at most alpha, by Ville's inequality (Lindon & Malek 2022, Anytime-Valid Inference for
    Multinomial Count Data, NeurIPS, arXiv 2011.03567, section 2.2).

    >>> sequential_srm([1000, 1030], [0.5, 0.5]).pvalue
    1.0
    >>> sequential_srm([1000, 1300], [0.5, 0.5]).pvalue < 0.001
    True

    Args:
        counts: Distinct units per arm so far, >= 0, each counted at its first exposure.
        weights: Intended share per arm, >= 0, on any scale.
        prior_units: Weight of the mixture, > 0.

    Raises:
        DataError: Negative counts, or not one weight per count.
        ConfigError: Weights that are negative, not finite or all 0; prior_units not above 0.
    """
    if not 0 < prior_units < math.inf:
        raise ConfigError(f"prior_units == {prior_units}, must be a number of units above 0")
    units, shares, stray = _weighted_arms(counts, weights)
    total = sum(units)
    if total == 0 or len(units) < 2:
        return SampleRatio(math.nan, stray, "stray_units" if stray else "no_units")
    log_odds = math.lgamma(prior_units) - math.lgamma(prior_units + total)
    for count, share in zip(units, shares, strict=True):
        prior = prior_units * share
        log_odds += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return SampleRatio(math.exp(min(-log_odds, 0.0)), stray, "stray_units" if stray else "ok")


def _weighted_arms(counts: Sequence[int], weights: Sequence[float]) -> tuple[list[int], list[float], int]:
    """Counts and shares of the arms that have weight, and the units of those that have none."""
    if len(counts) != len(weights):
        raise DataError(f"{len(counts)} counts and {len(weights)} weights; give one weight per arm")
    if min(counts, default=0) < 0:
        raise DataError(f"counts == {list(counts)}, must be >= 0")
    whole = sum(weights)
    if not (0 < whole < math.inf) or min(weights) < 0:
        raise ConfigError(f"weights == {list(weights)}, must be >= 0 and not all 0")
    arms = [(count, weight / whole) for count, weight in zip(counts, weights, strict=True) if weight > 0]
    stray = sum(count for count, weight in zip(counts, weights, strict=True) if weight == 0)
    return [count for count, _ in arms], [share for _, share in arms], stray
