"""Tests of shares of success: chi-squared over any number of arms, Fisher's exact test and the pooled z test of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.comparison import Alternative, check_alternative
from experiments.inference.estimates import Status

#: Tables that are as improbable as the one seen but for rounding count as such.
_AS_IMPROBABLE = 1 + 1e-7


class TableTest(NamedTuple):
    """A test of successes and failures by arm.

    Attributes:
        statistic: χ², z, or for Fisher's test the odds ratio seen; NaN unless ``ok``.
        df: Degrees of freedom of χ²; inf for z; NaN for Fisher's test.
        pvalue: Of one share in all arms, 0 … 1; NaN unless ``ok``.
        status: ``ok``; ``no_units``: an arm is empty; ``no_variance``: everybody or nobody succeeded.
    """

    statistic: float
    df: float
    pvalue: float
    status: Status


def chi_squared_test(successes: Sequence[int], units: Sequence[int], *, correction: bool = False) -> TableTest:
    """Pearson's χ² of one share in all of k arms.

    χ² = Σ (|O - E| - c)² / E over the 2k cells, E = row total · column total / all, on k - 1 degrees of freedom
    (Agresti 2013, Categorical Data Analysis, 3rd ed., section 3.2.1). c is 0, or Yates' ½ at most (1934, Suppl. JRSS
    1:217), which is defined for two arms.

    >>> found = chi_squared_test([40, 55], [100, 100])
    >>> round(found.statistic, 4), found.df, round(found.pvalue, 4)
    (4.5113, 1.0, 0.0337)
    >>> round(chi_squared_test([40, 55], [100, 100], correction=True).pvalue, 4)
    0.0474

    Args:
        successes: (k,) units with a success, 0 … units.
        units: (k,) units of each arm, >= 0; an empty arm gives ``no_units``.
        correction: Whether to correct for continuity.

    Raises:
        DataError: Successes outside 0 … units, fewer than two arms, or not one number of units per arm.
        ConfigError: A correction for more than two arms.
    """
    if len(successes) != len(units) or len(units) < 2:
        raise DataError(
            f"{len(successes)} successes and {len(units)} units; give one of each per arm, two arms or more"
        )
    if correction and len(units) > 2:
        raise ConfigError(f"correction == True with {len(units)} arms, must be False; it is defined for two arms")
    for place in range(len(units)):
        _check(successes[place], units[place])
    status = _status(sum(successes), sum(units), min(units))
    if status != "ok":
        return TableTest(math.nan, math.nan, math.nan, status)
    n, hit = np.array(units, np.float64), np.array(successes, np.float64)
    share = float(hit.sum() / n.sum())
    expected = np.stack([n * share, n * (1 - share)])
    apart = np.abs(np.stack([hit, n - hit]) - expected)
    if correction:
        apart = np.maximum(apart - 0.5, 0.0)
    statistic = float((apart**2 / expected).sum())
    df = float(len(units) - 1)
    return TableTest(statistic, df, float(special.chdtrc(df, statistic)), "ok")


def pooled_z_test(
    treatment: tuple[int, int], control: tuple[int, int], *, alternative: Alternative = "two-sided"
) -> TableTest:
    """The z test of two shares with the variance of one common share.

    z = (p̂_t - p̂_c) / √(p̄ (1 - p̄) (1/n_t + 1/n_c)), p̄ the share of both arms together (Agresti 2013, section 3.1);
    two-sided, z² is ``chi_squared_test`` without correction.

    >>> round(pooled_z_test((55, 100), (40, 100)).statistic, 4)
    2.124

    Args:
        treatment: Successes and units.
        control: Successes and units.
        alternative: What is to be shown of the shares' difference, treatment - control.

    Raises:
        DataError: Successes outside 0 … units.
        ConfigError: The alternative is not allowed.
    """
    check_alternative(alternative)
    (hits, n), (control_hits, control_n) = treatment, control
    _check(hits, n)
    _check(control_hits, control_n)
    status = _status(hits + control_hits, n + control_n, min(n, control_n))
    if status != "ok":
        return TableTest(math.nan, math.nan, math.nan, status)
    pooled = (hits + control_hits) / (n + control_n)
    z = (hits / n - control_hits / control_n) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / control_n))
    if alternative == "two-sided":
        return TableTest(z, math.inf, min(1.0, 2 * float(special.ndtr(-abs(z)))), "ok")
    return TableTest(z, math.inf, float(special.ndtr(-z if alternative == "greater" else z)), "ok")


def fisher_exact_test(
    treatment: tuple[int, int], control: tuple[int, int], *, alternative: Alternative = "two-sided"
) -> TableTest:
    """Fisher's exact test of two shares, for small numbers or rare successes.

    Given all successes together, those of the treatment are hypergeometric under one common share. The p-value is the
    probability of as many or more ("greater"), as few or fewer ("less"), or of all tables that are no more probable
    than the one seen (Agresti 2013, section 3.5.1).

    >>> round(fisher_exact_test((8, 10), (1, 6)).pvalue, 4)
    0.035

    Args:
        treatment: Successes and units.
        control: Successes and units.
        alternative: What is to be shown of the shares' difference, treatment - control.

    Returns:
        The test; its statistic is the odds ratio seen, inf where one of its denominators is 0.

    Raises:
        DataError: Successes outside 0 … units.
        ConfigError: The alternative is not allowed.
    """
    check_alternative(alternative)
    (hits, n), (control_hits, control_n) = treatment, control
    _check(hits, n)
    _check(control_hits, control_n)
    status = _status(hits + control_hits, n + control_n, min(n, control_n))
    if status != "ok":
        return TableTest(math.nan, math.nan, math.nan, status)
    against = (n - hits) * control_hits
    odds_ratio = hits * (control_n - control_hits) / against if against else math.inf
    first, chance = _hypergeometric(n, control_n, hits + control_hits)
    return TableTest(odds_ratio, math.nan, _fisher_pvalue(chance, hits - first, alternative), "ok")


def _fisher_pvalue(chance: npt.NDArray[np.float64], place: int, alternative: Alternative) -> float:
    """Of the table at a place of the distribution, which may lie beyond what a float can tell from 0."""
    if alternative == "two-sided":
        seen = chance[place] if 0 <= place < len(chance) else 0.0
        pvalue = chance[chance <= seen * _AS_IMPROBABLE].sum()
    elif alternative == "greater":
        pvalue = chance[max(place, 0) :].sum()
    else:
        pvalue = chance[: max(place + 1, 0)].sum()
    return min(1.0, float(pvalue))


def _hypergeometric(n: int, other_n: int, hits: int) -> tuple[int, npt.NDArray[np.float64]]:
    """Smallest number and probabilities of so many of all hits being among n of n + other_n units.

    By the ratios of neighbours outwards from the mode: factorials of a billion would leave five digits. Only numbers
    whose probability a float can hold are looked at: by Bernstein's inequality the rest lies beyond
    ``40 standard deviations + 600``.
    """
    everybody = n + other_n
    mean = n * hits / everybody
    reach = 40 * math.sqrt(mean * min(1 - n / everybody, 1 - hits / everybody)) + 600
    lowest = max(0, hits - other_n, math.floor(mean - reach))
    highest = min(n, hits, math.ceil(mean + reach))
    k = np.arange(lowest, highest, dtype=np.float64)
    steps = np.log((hits - k) / (k + 1)) + np.log((n - k) / (other_n - hits + k + 1))
    log_chance = np.concatenate([[0.0], np.cumsum(steps)])
    chance = np.exp(log_chance - log_chance.max())
    return lowest, chance / chance.sum()


def _check(successes: int, units: int) -> None:
    if units < 0 or not 0 <= successes <= units:
        raise DataError(f"{successes} successes in {units} units; successes must lie in 0 … units")


def _status(successes: int, units: int, fewest: int) -> Status:
    if fewest == 0:
        return "no_units"
    return "ok" if 0 < successes < units else "no_variance"
