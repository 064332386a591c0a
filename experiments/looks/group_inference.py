"""What may be said at a look of a group-sequential test: intervals, p-values and the chance to succeed yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy import optimize, special

from core.errors import ConfigError
from experiments.inference.comparison import Alternative, Comparison, check_alpha, check_alternative, difference
from experiments.inference.estimates import Estimate
from experiments.looks.boundary_crossing import StillGoing, finest_steps
from experiments.looks.group_sequential import LEAST_ERROR, Boundary, spending_boundary
from experiments.looks.sequential import Interval
from experiments.looks.spending import Spending


def group_comparison(
    treatment: Estimate,
    control: Estimate,
    *,
    fractions: Sequence[float],
    spending: Spending | None = None,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    last: bool = False,
) -> Comparison:
    """Treatment against control at a look of a group-sequential test, by repeated confidence intervals.

    effect ± c_k se, c_k the critical value of look k, holds the effect at all looks at once with probability 1 - alpha,
    whether or not one stops where the boundary says (Jennison & Turnbull 2000, chapter 9); the p-value is the smallest
    alpha whose boundary the look reaches (ibid.). Relative figures take the same critical value with their
    own standard error.

    >>> arms = Estimate(0.12, 0.0000208, 5000), Estimate(0.10, 0.0000192, 5000)
    >>> found = group_comparison(*arms, fractions=[0.25, 0.5])
    >>> round(found.ci_lower, 4), round(found.ci_upper, 4), round(found.pvalue, 3)
    (0.0013, 0.0387, 0.035)

    Args:
        treatment: The treatment's value, of all units so far.
        control: The control's.
        fractions: (k,) of the planned information at the looks so far, the present one last.
        spending: The planned spending; None for the O'Brien-Fleming type.
        alpha: Error over all looks together.
        alternative: What is to be shown of treatment - control.
        last: No look will follow: what is left of alpha is spent.

    Returns:
        The comparison; an interval without ends where the look is too early to say anything. Degenerate arms: NaN
        and ``status``.

    Raises:
        ConfigError: fractions do not rise, or alpha or alternative is not allowed.
    """
    boundary = spending_boundary(fractions, spending, alpha=alpha, alternative=alternative, last=last)
    looks = _Looks(tuple(fractions), spending, alternative, last)
    return _compared(treatment, control, boundary, looks)


def repeated_pvalue(
    z: float,
    fractions: Sequence[float],
    spending: Spending | None = None,
    *,
    alternative: Alternative = "two-sided",
    last: bool = False,
) -> float:
    """Smallest alpha at which the present look would stop; valid at every look (Jennison & Turnbull 2000, chapter 9).

    >>> round(repeated_pvalue(2.0310, [0.2, 0.4, 0.6, 0.8, 1.0], last=True), 3)
    0.05

    Args:
        z: effect / se at the present look.
        fractions: As in ``group_comparison``.
        spending: As there.
        alternative: As there.
        last: As there.

    Returns:
        1e-12 … 1; NaN where z is NaN.

    Raises:
        ConfigError: fractions do not rise, or alternative is not allowed.
    """
    check_alternative(alternative)
    finest_steps(fractions)
    if math.isnan(z):
        return math.nan
    size = abs(z) if alternative == "two-sided" else z if alternative == "greater" else -z

    def short_of(log_alpha: float) -> float:
        alpha = math.exp(log_alpha)
        side: Alternative = "two-sided" if alternative == "two-sided" else "greater"
        critical = spending_boundary(fractions, spending, alpha=alpha, alternative=side, last=last).critical[-1]
        return min(critical, 1e6) - size

    least, most = math.log(100 * LEAST_ERROR), math.log1p(-1e-9)
    if short_of(most) >= 0:
        return 1.0
    if short_of(least) <= 0:
        return math.exp(least)
    return math.exp(float(optimize.brentq(short_of, least, most, xtol=1e-9)))


def stagewise_pvalue(z: float, boundary: Boundary, look: int) -> float:
    """P-value of no effect once the test has ended at a look, ordering outcomes by the look they ended at.

    P₀(stopped at an earlier look) + P₀(still going, and z or more), stops on the side asked for only, or on both where
    two-sided with |z| (Fairbanks & Madsen 1982, Biometrika 69:69; Jennison & Turnbull 2000, section 8.4). Below alpha
    exactly where the boundary was crossed. Futility stops are ignored: they are not binding.

    >>> boundary = spending_boundary([0.5, 1.0])
    >>> round(stagewise_pvalue(boundary.upper[1], boundary, 1), 6)
    0.05

    Args:
        z: effect / se where the test ended.
        boundary: Of the looks; later ones do not matter.
        look: 0-based look at which it ended.

    Returns:
        0 … 1; NaN where z is NaN.

    Raises:
        ConfigError: There is no such look.
    """
    _check_look(boundary, look)
    if math.isnan(z):
        return math.nan
    if boundary.alternative == "less":
        return stagewise_pvalue(-z, boundary.mirrored(), look)
    two_sided = boundary.alternative == "two-sided"
    tail = _tail(abs(z) if two_sided else z, boundary, look, 0.0)
    # Without effect the two sides are alike.
    return min(1.0, 2 * tail) if two_sided else tail


def stagewise_interval(z: float, boundary: Boundary, look: int) -> Interval:
    """Interval of the drift by the same ordering: drifts at which an outcome as extreme has not too little probability.

    Its ends θ solve P_θ(as high or higher) = α / 2 and P_θ(as low or lower) = α / 2, or α on the one side asked for
    (Tsiatis, Rosner & Mehta 1984, Biometrics 40:797). Only for the look at which a test ended as its boundary says;
    narrower than the repeated interval. Times se at fraction 1, it is an interval of the effect.

    >>> boundary = spending_boundary([0.5, 1.0])
    >>> lower, upper = stagewise_interval(boundary.upper[1], boundary, 1)
    >>> abs(lower) < 1e-6, round(upper, 3)
    (True, 3.926)

    Arguments and errors: ``stagewise_pvalue``. Both ends NaN where z is not finite.
    """
    _check_look(boundary, look)
    if not math.isfinite(z):
        return Interval(math.nan, math.nan)
    if boundary.alternative == "less":
        lower, upper = stagewise_interval(-z, boundary.mirrored(), look)
        return Interval(-upper, -lower)
    side = boundary.alpha / 2 if boundary.alternative == "two-sided" else boundary.alpha
    centre, reach = z / math.sqrt(boundary.fractions[look]), 12 / math.sqrt(boundary.fractions[0])

    def solved(tail: float) -> float:
        return float(
            optimize.brentq(
                lambda drift: _tail(z, boundary, look, drift) - tail, centre - reach, centre + reach, xtol=1e-9
            )
        )

    return Interval(solved(side), solved(1 - side) if boundary.alternative == "two-sided" else math.inf)


def conditional_power(z: float, look: int, boundary: Boundary, *, drift: float | None = None) -> float:
    """Probability of an effect shown in the last look, given what has been seen.

    With B = z √t, T the last fraction and c its critical value: Φ((B + θ (T - t) - c √T) / √(T - t)), plus the other
    side where two-sided (Jennison & Turnbull 2000, chapter 10; Lan & Wittes 1988, Biometrics 44:579). Looks in between
    are left out, which understates it a little.

    >>> round(conditional_power(1.0, 0, spending_boundary([0.5, 1.0]), drift=2.8), 3)
    0.578

    Args:
        z: effect / se at the look.
        look: 0-based present look, not the last.
        boundary: Of all looks, the last included.
        drift: Expected z at fraction 1 under what is assumed; None goes on with what was seen, z / √t.

    Returns:
        0 … 1; NaN where z is NaN.

    Raises:
        ConfigError: There is no such look, or none after it.
    """
    _check_look(boundary, look)
    if look == len(boundary.fractions) - 1:
        raise ConfigError(f"look == {look} is the last; conditional power is of a look still to come")
    now, end = boundary.fractions[look], boundary.fractions[-1]
    theta = z / math.sqrt(now) if drift is None else drift
    mean, spread = z * math.sqrt(now) + theta * (end - now), math.sqrt(end - now)
    above = float(special.ndtr((mean - boundary.upper[-1] * math.sqrt(end)) / spread))
    below = float(special.ndtr((boundary.lower[-1] * math.sqrt(end) - mean) / spread))
    return {"greater": above, "less": below, "two-sided": above + below}[boundary.alternative]


class _Looks(NamedTuple):
    fractions: tuple[float, ...]
    spending: Spending | None
    alternative: Alternative
    last: bool


class _Read(NamedTuple):
    lower: float
    upper: float
    pvalue: float
    z: float


def _compared(treatment: Estimate, control: Estimate, boundary: Boundary, looks: _Looks) -> Comparison:
    found = difference(treatment, control)
    absolute = _read(found.effect_size, found.se, boundary, looks)
    relative = _read(found.rel_effect_size, found.rel_se, boundary, looks)
    return Comparison(
        effect_size=found.effect_size,
        se=found.se,
        ci_lower=absolute.lower,
        ci_upper=absolute.upper,
        pvalue=absolute.pvalue,
        rel_effect_size=found.rel_effect_size,
        rel_se=found.rel_se,
        rel_ci_lower=relative.lower,
        rel_ci_upper=relative.upper,
        rel_pvalue=relative.pvalue,
        control_value=control.value,
        treatment_value=treatment.value,
        control_n=control.n,
        treatment_n=treatment.n,
        statistic=absolute.z,
        df=math.inf if math.isfinite(found.se) else math.nan,
        status=found.status,
    )


def _read(effect: float, se: float, boundary: Boundary, looks: _Looks) -> _Read:
    if not se > 0 or math.isnan(effect):
        return _Read(math.nan, math.nan, math.nan, math.nan)
    z, width = effect / se, boundary.critical[-1] * se
    pvalue = repeated_pvalue(z, looks.fractions, looks.spending, alternative=looks.alternative, last=looks.last)
    lower = -math.inf if boundary.alternative == "less" else effect - width
    upper = math.inf if boundary.alternative == "greater" else effect + width
    return _Read(lower, upper, pvalue, z)


def _tail(z: float, boundary: Boundary, look: int, drift: float) -> float:
    """Probability of stopping above at an earlier look, or being still going and at or above z at this one."""
    fractions, finest = boundary.fractions, finest_steps(boundary.fractions)
    going, tail = StillGoing.at_start(), 0.0
    for place in range(look):
        tail += going.above(fractions[place], boundary.upper[place], drift)
        going = going.within(fractions[place], boundary.lower[place], boundary.upper[place], drift, finest[place])
    return min(1.0, tail + going.above(fractions[look], z, drift))


def _check_look(boundary: Boundary, look: int) -> None:
    check_alpha(boundary.alpha)
    if not 0 <= look < len(boundary.fractions):
        raise ConfigError(f"look == {look}, must be 0 … {len(boundary.fractions) - 1}")
