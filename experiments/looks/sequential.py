"""Intervals and p-values that hold however often one looks."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.errors import ConfigError


class Interval(NamedTuple):
    """A closed interval; both ends NaN where it is not defined."""

    lower: float
    upper: float


def confidence_sequence(effect: float, se: float, n: float, n_star: float, alpha: float) -> Interval:
    """Asymptotic confidence sequence of an effect at n observations.

    With probability 1 - alpha (asymptotically) it holds the true effect at every n at once, so one may look after
    each session and stop at will: effect ± se √n √(2 (n ρ² + 1) ln(√(n ρ² + 1) / α) / (n ρ)²)
    (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Time-uniform central limit theory and asymptotic confidence
    sequences, Annals of Statistics 2024, arXiv 2103.06476v7, eq. 9), with ρ of ``mixture_scale``. Serves absolute
    and relative effects alike: give the standard error that belongs to the effect.

    >>> lower, upper = confidence_sequence(0.03, 0.01, n=5000, n_star=5000, alpha=0.05)
    >>> round(lower, 4), round(upper, 4)
    (-0.0004, 0.0604)

    Args:
        effect: The estimate.
        se: Its standard error, > 0.
        n: Observations behind it, > 0; dependent ones in effective number.
        n_star: The n at which the sequence is to be tightest, > 0.
        alpha: Two-sided error over all looks together, 0 < alpha < 1.

    Returns:
        The interval; NaN where effect, se or n is NaN, or se or n is not above 0.

    Raises:
        ConfigError: alpha or n_star out of range.
    """
    rho2 = mixture_scale(n_star, alpha) ** 2
    if not (se > 0 and n > 0) or math.isnan(effect):
        return Interval(math.nan, math.nan)
    grown = n * rho2 + 1
    # √n / (n ρ) of the formula, squared, is 1 / (n ρ²).
    half_width = se * math.sqrt(2 * grown * math.log(math.sqrt(grown) / alpha) / (n * rho2))
    return Interval(effect - half_width, effect + half_width)


def always_valid_pvalue(effect: float, se: float, n: float, n_star: float, alpha: float) -> float:
    """P-value of effect == 0 that holds at every look: the smallest level at which 0 leaves the sequence.

    The confidence sequence of eq. 9 solved for its level with ρ held at that of the planned ``alpha``:
    p = min(1, √(n ρ² + 1) exp(-n ρ² z² / (2 (n ρ² + 1)))), z = effect / se (eq. 155 of the same paper). It is below
    ``alpha`` exactly where 0 is outside ``confidence_sequence(…, alpha)``.

    >>> f"{always_valid_pvalue(0.03, 0.01, n=5000, n_star=5000, alpha=0.05):.3f}"
    '0.055'

    Args:
        effect: The estimate.
        se: Its standard error, > 0.
        n: Observations behind it, > 0.
        n_star: As in ``confidence_sequence``.
        alpha: As in ``confidence_sequence``; it sets ρ only.

    Returns:
        0 … 1; NaN where the interval is.

    Raises:
        ConfigError: alpha or n_star out of range.
    """
    rho2 = mixture_scale(n_star, alpha) ** 2
    if not (se > 0 and n > 0) or math.isnan(effect):
        return math.nan
    grown = n * rho2 + 1
    z = effect / se
    log_p = 0.5 * math.log(grown) - n * rho2 * z * z / (2 * grown)
    return math.exp(min(log_p, 0.0))


def mixture_scale(n_star: float, alpha: float) -> float:
    """ρ, the scale of the Gaussian mixture that makes the sequence tightest near n_star observations.

    ρ = √((-2 ln α + ln(1 - 2 ln α)) / n*) (Waudby-Smith et al., arXiv 2103.06476v7, eq. 161).

    Raises:
        ConfigError: alpha is not in (0, 1) or n_star not above 0.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha == {alpha}, must be above 0 and below 1")
    if not 0 < n_star < math.inf:
        raise ConfigError(f"n_star == {n_star}, must be a number of observations above 0")
    log_alpha = -2 * math.log(alpha)
    return math.sqrt((log_alpha + math.log(1 + log_alpha)) / n_star)
