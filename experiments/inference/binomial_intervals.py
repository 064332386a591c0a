"""Intervals of a share of successes, and of the difference of two."""

from __future__ import annotations

import math

from scipy import special

from core.errors import DataError
from experiments.inference.comparison import check_alpha
from experiments.looks.sequential import Interval

_NOWHERE = Interval(math.nan, math.nan)


def wilson(successes: int, units: int, *, alpha: float = 0.05) -> Interval:
    """Wilson's score interval (1927, JASA 22:209): the one to take for a single share.

    (p̂ + z²/2n ± z √(p̂ (1 - p̂) / n + z²/4n²)) / (1 + z²/n), z the normal quantile of 1 - alpha / 2 (Brown, Cai &
    DasGupta 2001, Statistical Science 16:101, section 3.1.1).

    >>> [round(end, 4) for end in wilson(40, 100)]
    [0.3094, 0.498]

    Args:
        successes: 0 … units.
        units: >= 0; the interval of none is NaN.
        alpha: It misses with this probability, about.

    Raises:
        DataError: Successes outside 0 … units.
        ConfigError: alpha is not above 0 and below 1.
    """
    if not _counted(successes, units, alpha):
        return _NOWHERE
    z, share = _z(alpha), successes / units
    middle = share + z * z / (2 * units)
    half = z * math.sqrt(share * (1 - share) / units + (z / (2 * units)) ** 2)
    scale = 1 + z * z / units
    # At its ends the interval is exact; rounding is not.
    return Interval(
        0.0 if successes == 0 else max((middle - half) / scale, 0.0),
        1.0 if successes == units else min((middle + half) / scale, 1.0),
    )


def agresti_coull(successes: int, units: int, *, alpha: float = 0.05) -> Interval:
    """Agresti and Coull's interval (1998, American Statistician 52:119): as if z²/2 more had succeeded and failed.

    p̃ ± z √(p̃ (1 - p̃) / ñ), ñ = n + z², p̃ = (x + z²/2) / ñ (Brown, Cai & DasGupta 2001, section 3.1.2), cut at 0 and 1.

    >>> [round(end, 4) for end in agresti_coull(40, 100)]
    [0.3093, 0.4981]

    Arguments, result and errors: ``wilson``.
    """
    if not _counted(successes, units, alpha):
        return _NOWHERE
    z = _z(alpha)
    grown = units + z * z
    share = (successes + z * z / 2) / grown
    half = z * math.sqrt(share * (1 - share) / grown)
    return Interval(max(share - half, 0.0), min(share + half, 1.0))


def jeffreys(successes: int, units: int, *, alpha: float = 0.05) -> Interval:
    """Jeffreys' interval: the central posterior interval under the prior Beta(½, ½).

    Quantiles alpha / 2 and 1 - alpha / 2 of Beta(x + ½, n - x + ½) (Brown, Cai & DasGupta 2001, section 3.1.3), without
    their changes near 0 and 1.

    >>> [round(end, 4) for end in jeffreys(40, 100)]
    [0.308, 0.4977]

    Arguments, result and errors: ``wilson``.
    """
    if not _counted(successes, units, alpha):
        return _NOWHERE
    a, b = successes + 0.5, units - successes + 0.5
    return Interval(float(special.betaincinv(a, b, alpha / 2)), float(special.betainccinv(a, b, alpha / 2)))


def clopper_pearson(successes: int, units: int, *, alpha: float = 0.05) -> Interval:
    """Clopper and Pearson's exact interval (1934, Biometrika 26:404): never misses more often than alpha.

    Quantile alpha / 2 of Beta(x, n - x + 1) and 1 - alpha / 2 of Beta(x + 1, n - x); 0 and 1 where nobody or everybody
    succeeded (Brown, Cai & DasGupta 2001, section 4.2.1).

    >>> [round(end, 4) for end in clopper_pearson(0, 10)]
    [0.0, 0.3085]

    Arguments, result and errors: ``wilson``.
    """
    if not _counted(successes, units, alpha):
        return _NOWHERE
    failures = units - successes
    return Interval(
        float(special.betaincinv(successes, failures + 1, alpha / 2)) if successes else 0.0,
        float(special.betainccinv(successes + 1, failures, alpha / 2)) if failures else 1.0,
    )


def newcombe(treatment: tuple[int, int], control: tuple[int, int], *, alpha: float = 0.05) -> Interval:
    """Newcombe's interval of a difference of shares, right also where one of them is 0 or 1.

    With d = p̂_t - p̂_c and Wilson's ends l, u of each: d - √((p̂_t - l_t)² + (u_c - p̂_c)²) and
    d + √((u_t - p̂_t)² + (p̂_c - l_c)²) (Newcombe 1998, Statistics in Medicine 17:873, method 10).

    >>> [round(end, 4) for end in newcombe((56, 70), (48, 80))]
    [0.0524, 0.3339]

    Args:
        treatment: Successes and units.
        control: Successes and units.
        alpha: As in ``wilson``.

    Returns:
        The interval of treatment - control; NaN where an arm is empty.

    Raises:
        DataError: Successes outside 0 … units.
        ConfigError: alpha is not above 0 and below 1.
    """
    lower, upper = wilson(*treatment, alpha=alpha)
    control_lower, control_upper = wilson(*control, alpha=alpha)
    if math.isnan(lower + control_lower):
        return _NOWHERE
    share, control_share = treatment[0] / treatment[1], control[0] / control[1]
    apart = share - control_share
    return Interval(
        apart - math.hypot(share - lower, control_upper - control_share),
        apart + math.hypot(upper - share, control_share - control_lower),
    )


def _z(alpha: float) -> float:
    return -float(special.ndtri(alpha / 2))


def _counted(successes: int, units: int, alpha: float) -> bool:
    """Whether there is anything to make an interval of."""
    check_alpha(alpha)
    if units < 0 or not 0 <= successes <= units:
        raise DataError(f"{successes} successes in {units} units; successes must lie in 0 … units")
    return units > 0
