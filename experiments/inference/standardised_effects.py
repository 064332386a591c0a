"""Effects without a unit, to compare across metrics: Cohen's d, Hedges' g, Cohen's h."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import special

from core.errors import DataError
from experiments.inference.comparison import check_alpha
from experiments.inference.estimates import Status
from experiments.inference.moments import Moments


class StandardisedEffect(NamedTuple):
    """An effect in standard deviations of the units, or for shares in radians of the arcsine scale.

    Cohen's words for both: 0.2 is small, 0.5 medium, 0.8 large.

    Attributes:
        value: Treatment - control; NaN unless ``ok``.
        se: Its standard error (large samples).
        ci_lower: Lower end of its interval.
        ci_upper: Upper end.
        status: ``ok``, ``no_units``, ``too_few_units``, ``not_finite`` or ``no_variance``.
    """

    value: float
    se: float
    ci_lower: float
    ci_upper: float
    status: Status


def cohens_d(treatment: Moments, control: Moments, *, alpha: float = 0.05) -> StandardisedEffect:
    """Cohen's d: the difference of means over the standard deviation pooled within the arms.

    d = (x̄_t - x̄_c) / s, s² = Σ (n_a - 1) s_a² / (n_t + n_c - 2) (Cohen 1988, Statistical Power Analysis, section 2.5);
    se² = (n_t + n_c) / (n_t n_c) + d² / (2 (n_t + n_c)) (Hedges & Olkin 1985, Statistical Methods for Meta-Analysis,
    p. 86).

    >>> one, two = Moments.from_rows([2.0, 4.0, 6.0]), Moments.from_rows([1.0, 3.0, 5.0])
    >>> cohens_d(one, two).value
    0.5

    Args:
        treatment: Of one number a unit; further ones are left aside.
        control: The control's.
        alpha: The interval misses with this probability.

    Raises:
        ConfigError: alpha is not above 0 and below 1.
    """
    check_alpha(alpha)
    units = treatment.n + control.n
    if min(treatment.n, control.n) == 0:
        return _nothing("no_units")
    if units < 3:
        return _nothing("too_few_units")
    apart = float(treatment.mean[0]) - float(control.mean[0])
    squares = float(treatment.cross[0, 0] + control.cross[0, 0])
    if not math.isfinite(apart + squares):
        return _nothing("not_finite")
    if squares <= 0:
        return _nothing("no_variance")
    return _with_interval(apart / math.sqrt(squares / (units - 2)), treatment.n, control.n, alpha, units)


def hedges_g(treatment: Moments, control: Moments, *, alpha: float = 0.05) -> StandardisedEffect:
    """Hedges' g: Cohen's d without its upward bias in small samples.

    g = J d, J = Γ(m/2) / (√(m/2) Γ((m - 1)/2)), m = n_t + n_c - 2 (Hedges 1981, Journal of Educational Statistics
    6:107, the exact c(m)), its standard error J times that of d.

    >>> one, two = Moments.from_rows([2.0, 4.0, 6.0]), Moments.from_rows([1.0, 3.0, 5.0])
    >>> round(hedges_g(one, two).value, 4)
    0.3989

    Arguments, result and errors: ``cohens_d``; three units in all have no g.
    """
    found = cohens_d(treatment, control, alpha=alpha)
    df = treatment.n + control.n - 2
    if found.status != "ok":
        return found
    if df < 2:
        return _nothing("too_few_units")
    # poch keeps its digits at a billion degrees of freedom, where log gammas have cancelled.
    shrink = float(special.poch((df - 1) / 2, 0.5)) / math.sqrt(df / 2)
    return StandardisedEffect(
        shrink * found.value, shrink * found.se, shrink * found.ci_lower, shrink * found.ci_upper, "ok"
    )


def cohens_h(treatment: tuple[int, int], control: tuple[int, int], *, alpha: float = 0.05) -> StandardisedEffect:
    """Cohen's h: the difference of two shares on the scale on which all shares are equally sure.

    h = 2 asin √p̂_t - 2 asin √p̂_c (Cohen 1988, eq. 6.2.1); se² = 1 / n_t + 1 / n_c.

    >>> round(cohens_h((55, 100), (40, 100)).value, 4)
    0.3015

    Args:
        treatment: Successes and units.
        control: Successes and units.
        alpha: The interval misses with this probability.

    Raises:
        DataError: Successes outside 0 … units.
        ConfigError: alpha is not above 0 and below 1.
    """
    check_alpha(alpha)
    for successes, units in (treatment, control):
        if units < 0 or not 0 <= successes <= units:
            raise DataError(f"{successes} successes in {units} units; successes must lie in 0 … units")
    if min(treatment[1], control[1]) == 0:
        return _nothing("no_units")
    one, two = (2 * math.asin(math.sqrt(successes / units)) for successes, units in (treatment, control))
    return _with_interval(one - two, treatment[1], control[1], alpha, math.inf)


def _with_interval(value: float, n: int, control_n: int, alpha: float, units: float) -> StandardisedEffect:
    se = math.sqrt(1 / n + 1 / control_n + value**2 / (2 * units))
    half = -float(special.ndtri(alpha / 2)) * se
    return StandardisedEffect(value, se, value - half, value + half, "ok")


def _nothing(status: Status) -> StandardisedEffect:
    return StandardisedEffect(math.nan, math.nan, math.nan, math.nan, status)
