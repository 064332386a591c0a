"""Whether one arm's values tend to be larger: Mann-Whitney's and Brunner and Munzel's tests, from counted values."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError
from experiments.inference.comparison import Alternative, check_alpha, check_alternative
from experiments.inference.estimates import Status
from experiments.inference.value_counts import ValueCounts

Floats = npt.NDArray[np.float64]
#: ``auto`` is exact for at most ``EXACT_UNITS`` units in both arms together, none of them tied.
RankMethod = Literal["auto", "exact", "normal"]
RANK_METHODS: tuple[RankMethod, ...] = get_args(RankMethod)
EXACT_UNITS = 60
"""Up to here every count of orderings fits a 64-bit integer, 60! / (30! 30!) being 1.2e17."""


class RankComparison(NamedTuple):
    """Treatment against control by rank.

    Attributes:
        effect_size: P(treatment > control) + ½ P(treatment = control) of a unit of each, 0 … 1; ½ is no effect.
        se: Its standard error; NaN where ``status`` is ``no_variance``.
        ci_lower: Lower end of its interval, 0 … 1; 0 where the alternative is "less".
        ci_upper: Upper end; 1 where the alternative is "greater".
        pvalue: 0 … 1; of Mann-Whitney's test also where the arms do not overlap.
        statistic: Mann-Whitney's U of the treatment, or Brunner and Munzel's t.
        df: Degrees of freedom of t; NaN for U.
        treatment_n: Units.
        control_n: Units.
        status: ``ok``; ``no_units``; ``too_few_units``: an arm has one, so that there is no interval;
            ``no_variance``: all values are the same, or the arms do not overlap, which leaves no interval.
    """

    effect_size: float
    se: float
    ci_lower: float
    ci_upper: float
    pvalue: float
    statistic: float
    df: float
    treatment_n: int
    control_n: int
    status: Status


def mann_whitney(
    treatment: ValueCounts,
    control: ValueCounts,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    method: RankMethod = "auto",
    correction: bool = True,
) -> RankComparison:
    """Mann-Whitney's U test (1947, Annals of Mathematical Statistics 18:50) of one distribution in both arms.

    U counts the pairs in which the treatment is larger, ties as ½. Exact: the distribution of U over all orderings.
    Normal: mean n m / 2, variance n m / 12 · (N + 1 - Σ (t³ - t) / (N (N - 1))) with t the sizes of the ties (Lehmann
    1975, Nonparametrics, section 1.4), ½ off towards the mean for continuity. Effect and interval: those of
    ``brunner_munzel``, which asks for the effect only; this test is of equal distributions, so that arms which differ
    in spread alone may be found different.

    >>> one, two = ValueCounts.from_rows([3.0, 5.0, 6.0, 9.0]), ValueCounts.from_rows([1.0, 2.0, 4.0])
    >>> found = mann_whitney(one, two)
    >>> found.statistic, round(found.effect_size, 4), round(found.pvalue, 4)
    (11.0, 0.9167, 0.1143)

    Args:
        treatment: The treatment's values, one per unit.
        control: The control's.
        alpha: The interval misses with this probability.
        alternative: "greater": treatment tends to be larger.
        method: Of ``RANK_METHODS``.
        correction: Whether the normal approximation is corrected for continuity.

    Raises:
        ConfigError: A parameter is not allowed, or ``exact`` is asked for with ties or too many units.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    placed = _placements(treatment, control)
    n, m = treatment.n, control.n
    exact = _is_exact(method, placed.tied, n + m)
    if min(n, m) == 0:
        return _nothing(n, m, "no_units")
    if placed.tied == n + m:
        return _nothing(n, m, "no_variance")._replace(effect_size=0.5, statistic=n * m / 2)
    u = placed.effect * n * m
    pvalue = _exact_pvalue(u, n, m, alternative) if exact else _normal_pvalue(u, placed, alternative, correction)
    found = _interval(placed, alpha, alternative)
    return found._replace(pvalue=pvalue, statistic=u, df=math.nan)


def brunner_munzel(
    treatment: ValueCounts,
    control: ValueCounts,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> RankComparison:
    """Brunner and Munzel's test of no tendency, whatever the spreads of the arms (2000, Biometrical Journal 42:17).

    θ̂ is the mean placement of the treatment's units in the control, F̂_c(x) with ties as ½; se² = s²_t / n + s²_c / m,
    s² the sample variances of the placements of either arm in the other (the same as DeLong, DeLong & Clarke-Pearson
    1988, Biometrics 44:837, for one ROC area), on Welch's degrees of freedom: t = (θ̂ - ½) / se. The
    interval is made for logit θ with se / (θ̂ (1 - θ̂)) and taken back, so that it stays within 0 … 1.

    >>> one, two = ValueCounts.from_rows([3.0, 5.0, 6.0, 9.0]), ValueCounts.from_rows([1.0, 2.0, 4.0])
    >>> found = brunner_munzel(one, two)
    >>> round(found.statistic, 4), round(found.ci_lower, 3), round(found.ci_upper, 3)
    (3.5355, 0.165, 0.998)

    Args:
        treatment: The treatment's values, one per unit.
        control: The control's.
        alpha: The interval misses with this probability.
        alternative: "greater": the effect is above ½.

    Raises:
        ConfigError: A parameter is not allowed.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    if min(treatment.n, control.n) == 0:
        return _nothing(treatment.n, control.n, "no_units")
    return _interval(_placements(treatment, control), alpha, alternative)


class _Placements(NamedTuple):
    """Of every unit in the other arm, in moments.

    ``tied`` is the size of the largest tie; ``tie_cubes`` Σ (t³ - t) / (N³ - N).
    """

    effect: float
    variance: float
    control_variance: float
    n: int
    m: int
    tied: int
    tie_cubes: float


def _placements(treatment: ValueCounts, control: ValueCounts) -> _Placements:
    n, m = treatment.n, control.n
    ties = treatment.merge(control).counts
    cubes = 0.0
    if n + m > 1:
        share = ties / (n + m)
        # As shares: the cube of a billion is beyond an integer.
        cubes = float((share * (share - 1 / (n + m)) * (share + 1 / (n + m))).sum()) / (1 - (n + m) ** -2)
    tied = int(ties.max(initial=0))
    if min(n, m) == 0:
        return _Placements(math.nan, math.nan, math.nan, n, m, tied, cubes)
    placed, control_placed = _mid_share(control, treatment.values), _mid_share(treatment, control.values)
    effect = float(placed @ (treatment.counts / n))
    return _Placements(
        effect,
        _variance(placed, treatment.counts, effect),
        _variance(control_placed, control.counts, 1 - effect),
        n,
        m,
        tied,
        cubes,
    )


def _mid_share(table: ValueCounts, values: Floats) -> Floats:
    """Share of the counted that lies below each value, ties as ½."""
    reached = np.concatenate([[0], np.cumsum(table.counts)])
    below = reached[np.searchsorted(table.values, values, side="left")]
    up_to = reached[np.searchsorted(table.values, values, side="right")]
    return np.asarray((below + up_to) / (2 * table.n), np.float64)


def _variance(placed: Floats, counts: npt.NDArray[np.int64], mean: float) -> float:
    n = int(counts.sum())
    return float(((placed - mean) ** 2 * counts).sum()) / (n - 1) if n > 1 else math.nan


def _is_exact(method: RankMethod, tied: int, units: int) -> bool:
    if method not in RANK_METHODS:
        raise ConfigError(f"method == {method!r}, must be one of {', '.join(RANK_METHODS)}")
    can_be = tied <= 1 and units <= EXACT_UNITS
    if method == "exact" and not can_be:
        raise ConfigError(
            f"method == 'exact' with {units} units, {tied} of them tied; it needs at most {EXACT_UNITS} and no ties, "
            "take 'auto'"
        )
    return can_be and method != "normal"


def _interval(placed: _Placements, alpha: float, alternative: Alternative) -> RankComparison:
    effect, n, m = placed.effect, placed.n, placed.m
    if min(n, m) < 2:
        return _nothing(n, m, "too_few_units")._replace(effect_size=effect)
    one, two = placed.variance / n, placed.control_variance / m
    if not one + two > 0 or not 0 < effect < 1:
        return _nothing(n, m, "no_variance")._replace(effect_size=effect)
    se = math.sqrt(one + two)
    df = 1 / ((one / (one + two)) ** 2 / (n - 1) + (two / (one + two)) ** 2 / (m - 1))
    t = (effect - 0.5) / se
    width = -float(special.stdtrit(df, alpha / 2 if alternative == "two-sided" else alpha)) * se
    middle, width = math.log(effect / (1 - effect)), width / (effect * (1 - effect))
    tail = float(special.stdtr(df, -abs(t) if alternative == "two-sided" else -t if alternative == "greater" else t))
    return RankComparison(
        effect_size=effect,
        se=se,
        ci_lower=0.0 if alternative == "less" else float(special.expit(middle - width)),
        ci_upper=1.0 if alternative == "greater" else float(special.expit(middle + width)),
        pvalue=min(1.0, 2 * tail) if alternative == "two-sided" else tail,
        statistic=t,
        df=df,
        treatment_n=n,
        control_n=m,
        status="ok",
    )


def _nothing(n: int, m: int, status: Status) -> RankComparison:
    nan = math.nan
    return RankComparison(nan, nan, nan, nan, nan, nan, nan, n, m, status)


def _normal_pvalue(u: float, placed: _Placements, alternative: Alternative, correction: bool) -> float:
    n, m = placed.n, placed.m
    units = n + m
    # N + 1 - Σ (t³ - t) / (N (N - 1)) is (N + 1) (1 - tie_cubes).
    sd = math.sqrt(n * m / 12 * (units + 1) * (1 - placed.tie_cubes))
    off = 0.5 if correction else 0.0
    above = u - n * m / 2
    if alternative == "two-sided":
        return min(1.0, 2 * float(special.ndtr((off - abs(above)) / sd)))
    return float(special.ndtr((off - (above if alternative == "greater" else -above)) / sd))


def _exact_pvalue(u: float, n: int, m: int, alternative: Alternative) -> float:
    orderings = _orderings(n, m)
    chance = orderings / orderings.sum()
    # Without ties U is whole; it was reached through shares.
    place = round(u)
    greater, less = float(chance[place:].sum()), float(chance[: place + 1].sum())
    if alternative == "two-sided":
        return min(1.0, 2 * min(greater, less))
    return min(1.0, greater if alternative == "greater" else less)


def _orderings(n: int, m: int) -> npt.NDArray[np.int64]:
    """(n m + 1,) orderings of n and m units with each U: the coefficients of Π_i≤n (1 - q^(m+i)) / (1 - q^i)."""
    counts = np.zeros(n * m + 1, np.int64)
    counts[0] = 1
    for i in range(1, n + 1):
        # Sums may leave 64 bits in between and come back: what is left out is a multiple of 2^64.
        if m + i < len(counts):
            counts[m + i :] -= counts[: len(counts) - m - i].copy()
        padded = np.zeros(-(-len(counts) // i) * i, np.int64)
        padded[: len(counts)] = counts
        counts = np.cumsum(padded.reshape(-1, i), axis=0).ravel()[: len(counts)]
    return counts
