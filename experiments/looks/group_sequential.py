"""Group-sequential designs: boundaries for a planned number of looks, their power and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scipy import optimize, special

from core.errors import ConfigError
from experiments.inference.comparison import Alternative, check_alpha, check_alternative
from experiments.looks.boundary_crossing import REACH, StillGoing, crossing_probabilities, finest_steps
from experiments.looks.spending import Spending

#: Error below which a look cannot stop: the quadrature is not trusted there.
LEAST_ERROR = 1e-14


@dataclass(frozen=True)
class Boundary:
    """At which z-values to stop, look by look.

    Attributes:
        fractions: (K,) information of each look over the planned maximum; that of a mean, rate or ratio is 1 / se²,
            or units where arms grow in proportion. Beyond 1 where more was seen than planned.
        upper: (K,) stop for treatment > control at or above; inf where a look cannot.
        lower: (K,) stop for treatment < control at or below; -inf where a look cannot.
        futility: (K,) stop without effect where z does not reach it: at or below for "greater", at or above for "less".
            It may be ignored without harm to alpha. NaN where there is none.
        alpha: Error over all looks together.
        alternative: What is to be shown.
    """

    fractions: tuple[float, ...]
    upper: tuple[float, ...]
    lower: tuple[float, ...]
    futility: tuple[float, ...]
    alpha: float
    alternative: Alternative

    @property
    def critical(self) -> tuple[float, ...]:
        """(K,) |z| from which an effect is shown."""
        return tuple(-z for z in self.lower) if self.alternative == "less" else self.upper

    def mirrored(self) -> Boundary:
        """The same with the arms exchanged."""
        turned: dict[Alternative, Alternative] = {"greater": "less", "less": "greater", "two-sided": "two-sided"}
        return Boundary(
            fractions=self.fractions,
            upper=tuple(-z for z in self.lower),
            lower=tuple(-z for z in self.upper),
            futility=tuple(-z for z in self.futility),
            alpha=self.alpha,
            alternative=turned[self.alternative],
        )


class Operating(NamedTuple):
    """What a design does under one drift.

    Attributes:
        power: Probability of showing an effect, either side where two-sided.
        futility: Probability of stopping as futile; 0 without such a boundary.
        expected_fraction: Information when it ends, on average, over the planned maximum.
        stop: (K,) probability of ending at each look; sum 1.
    """

    power: float
    futility: float
    expected_fraction: float
    stop: tuple[float, ...]


def spending_boundary(
    fractions: Sequence[float],
    spending: Spending | None = None,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    last: bool = True,
) -> Boundary:
    """Boundary that spends alpha as information comes in, wherever looks fall (Lan & DeMets 1983, Biometrika 70:659).

    P(first crossing at look k) = a(t_k) - a(t_{k-1}) without effect (Jennison & Turnbull 2000, section 7.2), solved one
    by one; two-sided, each side spends alpha / 2 by its own a(t). A look's boundary depends on the looks up to it only,
    so looks may fall where they will: call it with the fractions there have been. Where the end comes early
    (``last`` with a fraction below 1) the rest is spent there; where it comes late, all is spent by fraction 1 and
    information beyond counts in the correlation of the looks only.

    >>> [round(z, 4) for z in spending_boundary([0.2, 0.4, 0.6, 0.8, 1]).upper]
    [4.8769, 3.357, 2.6803, 2.2898, 2.031]

    Args:
        fractions: (K,) of the planned information at each look, rising by at least 0.0001 of the last.
        spending: None for the O'Brien-Fleming type.
        alpha: Error over all looks together.
        alternative: What is to be shown.
        last: The last of them ends the experiment whatever its fraction.

    Raises:
        ConfigError: fractions do not rise so, or alpha or alternative is not allowed.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    finest = finest_steps(fractions)
    rule = spending or Spending()
    side = alpha / 2 if alternative == "two-sided" else alpha
    going, spent, upper = StillGoing.at_start(), 0.0, []
    for place, fraction in enumerate(fractions):
        ends = last and place == len(fractions) - 1
        due = side if ends else rule.spent(fraction, side)
        z = _boundary_of(going, fraction, due - spent)
        # What a look could not spend is left to the next.
        spent = due if math.isfinite(z) else spent
        upper.append(z)
        going = going.within(fraction, -z if alternative == "two-sided" else -math.inf, z, 0.0, finest[place])
    return _boundary(fractions, upper, alpha, alternative)


def wang_tsiatis_boundary(
    fractions: Sequence[float], shape: float = 0.0, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Boundary:
    """Boundary of the classical family: z_k = C (t_k / t_K)^(shape - 1/2), with all looks together erring with alpha.

    shape 0 is O'Brien & Fleming's (1979, Biometrics 35:549), 0.5 Pocock's (1977, Biometrika 64:191); between them Wang
    & Tsiatis (1987, Biometrics 43:193; Jennison & Turnbull 2000, section 2.7.1). All looks must be known beforehand:
    where they may move, ``spending_boundary``.

    >>> [round(z, 3) for z in wang_tsiatis_boundary([1, 2, 3, 4, 5], 0.5).upper]
    [2.413, 2.413, 2.413, 2.413, 2.413]
    >>> [round(z, 3) for z in wang_tsiatis_boundary([1, 2, 3, 4, 5], 0.0).upper]
    [4.562, 3.226, 2.634, 2.281, 2.04]

    Args:
        fractions: (K,) information at each look, in any unit.
        shape: -5 … 0.5.
        alpha: Error over all looks together.
        alternative: What is to be shown.

    Raises:
        ConfigError: An argument is not allowed.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    if not -5 <= shape <= 0.5:
        raise ConfigError(f"shape == {shape}, must lie in -5 … 0.5 (0 O'Brien-Fleming, 0.5 Pocock)")
    finest_steps(fractions)
    scale = [math.pow(fraction / fractions[-1], shape - 0.5) for fraction in fractions]
    two_sided = alternative == "two-sided"

    def excess(constant: float) -> float:
        upper = [constant * part for part in scale]
        found = crossing_probabilities(fractions, [-z if two_sided else -math.inf for z in upper], upper)
        return float(found.upper.sum() + (found.lower.sum() if two_sided else 0.0)) - alpha

    # With one look at the whole of alpha the constant is smallest, with alpha shared equally largest.
    low = -float(special.ndtri(alpha / 2 if two_sided else alpha))
    high = -float(special.ndtri(alpha / (2 * len(scale)) if two_sided else alpha / len(scale)))
    constant = low if len(scale) == 1 else float(optimize.brentq(excess, min(low, 0.0) - 1e-9, high + 1e-9, xtol=1e-10))
    return _boundary(fractions, [constant * part for part in scale], alpha, alternative)


def with_futility(boundary: Boundary, spending: Spending | None = None, *, power: float = 0.8) -> Boundary:
    """The boundary with stops for futility that spend the error of missing an effect, 1 - power.

    P(first at or below the futility boundary at look k) = b(t_k) - b(t_{k-1}) under the drift at which the two
    boundaries meet in the last look (Pampallona, Tsiatis & Kim 2001, Drug Information Journal 35:1113). Non-binding:
    the upper boundary is left as it is, so that going on after all costs no alpha.

    >>> late, soon = Spending("hwang_shih_decani", -4), Spending("hwang_shih_decani", -2)
    >>> efficacy = spending_boundary([1/3, 2/3, 1], late, alpha=0.025, alternative="greater")
    >>> found = with_futility(efficacy, soon, power=0.9)
    >>> [round(z, 2) for z in found.upper], [round(z, 2) for z in found.futility]
    ([3.01, 2.55, 2.0], [-0.24, 0.94, 2.0])

    Args:
        boundary: One-sided, its last look the end.
        spending: None for the O'Brien-Fleming type.
        power: Above alpha, below 1; reached at ``planning_drift``.

    Raises:
        ConfigError: The boundary is two-sided or has futility already, or power is not allowed.
    """
    if boundary.alternative == "two-sided":
        raise ConfigError("futility by beta spending needs alternative 'greater' or 'less', not 'two-sided'")
    if not all(math.isnan(z) for z in boundary.futility):
        raise ConfigError("the boundary has futility stops already; give one without")
    _check_power(power, boundary.alpha)
    if boundary.alternative == "less":
        return with_futility(boundary.mirrored(), spending, power=power).mirrored()
    rule = spending or Spending()

    def shortfall(drift: float) -> float:
        going, _ = _futility(boundary, rule, 1 - power, drift)
        return going

    drift = float(optimize.brentq(shortfall, *_drift_bracket(boundary, power), xtol=1e-9))
    _, futility = _futility(boundary, rule, 1 - power, drift)
    return replace(boundary, futility=futility)


def operating(boundary: Boundary, drift: float) -> Operating:
    """Power, expected information and when it ends, with futility stops obeyed.

    >>> found = operating(spending_boundary([0.5, 1]), 2.8)
    >>> round(found.power, 3), round(found.expected_fraction, 3)
    (0.798, 0.919)

    Args:
        boundary: Of all looks.
        drift: Expected z at fraction 1: effect / se at the planned maximum. 0 without effect.
    """
    lower, upper = list(boundary.lower), list(boundary.upper)
    for place, z in enumerate(boundary.futility):
        if not math.isnan(z):
            lower[place], upper[place] = (z, upper[place]) if boundary.alternative == "greater" else (lower[place], z)
    found = crossing_probabilities(boundary.fractions, lower, upper, drift)
    above, below = found.upper, found.lower
    shown = {"greater": above, "less": below, "two-sided": above + below}[boundary.alternative]
    futile = above + below - shown
    stop = above + below
    stop[-1] = max(1.0 - float(stop[:-1].sum()), 0.0)
    return Operating(
        power=min(float(shown.sum()), 1.0),
        futility=min(float(futile.sum()), 1.0),
        expected_fraction=float(stop @ boundary.fractions),
        stop=tuple(stop.tolist()),
    )


def planning_drift(boundary: Boundary, power: float = 0.8) -> float:
    """Expected z at fraction 1 that gives the power, in the direction asked for (above 0 where two-sided).

    Raises:
        ConfigError: power is not above alpha and below 1.
    """
    _check_power(power, boundary.alpha)
    if boundary.alternative == "less":
        return -planning_drift(boundary.mirrored(), power)
    low, high = _drift_bracket(boundary, power)
    return float(optimize.brentq(lambda drift: operating(boundary, drift).power - power, low, high, xtol=1e-9))


def inflation_factor(boundary: Boundary, power: float = 0.8) -> float:
    """Planned maximum of units over what a test with one look needs for the same power.

    (planning drift / (z_α + z_β))² (Jennison & Turnbull 2000, chapter 2, R of its tables), with z_α of one side.

    >>> round(inflation_factor(wang_tsiatis_boundary([0.2, 0.4, 0.6, 0.8, 1], 0.5)), 3)
    1.228

    Raises:
        ConfigError: power is not above alpha and below 1.
    """
    side = boundary.alpha / 2 if boundary.alternative == "two-sided" else boundary.alpha
    fixed = -float(special.ndtri(side)) + float(special.ndtri(power))
    return (planning_drift(boundary, power) / fixed) ** 2


def _futility(boundary: Boundary, rule: Spending, beta: float, drift: float) -> tuple[float, tuple[float, ...]]:
    """How far the power at that drift is above the one planned, and the futility boundary."""
    finest = finest_steps(boundary.fractions)
    going, spent, futility = StillGoing.at_start(), 0.0, []
    for place, (fraction, upper) in enumerate(zip(boundary.fractions[:-1], boundary.upper, strict=False)):
        due = rule.spent(fraction, beta)
        z = min(-_boundary_of(going.turned(), fraction, due - spent, -drift), upper)
        spent = due if math.isfinite(z) else spent
        futility.append(z)
        going = going.within(fraction, z, upper, drift, finest[place])
    missed = spent + going.below(boundary.fractions[-1], boundary.upper[-1], drift)
    return beta - missed, (*futility, boundary.upper[-1])


def _boundary_of(going: StillGoing, information: float, error: float, drift: float = 0.0) -> float:
    """The z that is first reached with that probability."""
    if error < LEAST_ERROR:
        return math.inf
    centre = drift * math.sqrt(information)
    low, high = centre - 2 * REACH, centre + 2 * REACH
    if going.above(information, low, drift) <= error:
        return low
    return float(optimize.brentq(lambda z: going.above(information, z, drift) - error, low, high, xtol=1e-11))


def _boundary(fractions: Sequence[float], upper: Sequence[float], alpha: float, alternative: Alternative) -> Boundary:
    none = (math.nan,) * len(upper)
    below = tuple(-z if alternative == "two-sided" else -math.inf for z in upper)
    found = Boundary(
        tuple(map(float, fractions)), tuple(upper), below, none, alpha,
        "greater" if alternative == "less" else alternative,
    )  # fmt: skip
    return found.mirrored() if alternative == "less" else found


def _drift_bracket(boundary: Boundary, power: float) -> tuple[float, float]:
    """No drift, and one that crosses at some single look with more than the power."""
    reached = float(special.ndtri(power)) + REACH
    enough = [
        (abs(z) + reached) / math.sqrt(fraction)
        for fraction, z in zip(boundary.fractions, boundary.critical, strict=True)
        if math.isfinite(z)
    ]
    if not enough:
        raise ConfigError(f"no look at fractions {boundary.fractions} can show an effect; plan a later one")
    return 0.0, min(enough)


def _check_power(power: float, alpha: float) -> None:
    if not alpha < power < 1:
        raise ConfigError(f"power == {power}, must be above alpha == {alpha} and below 1")
