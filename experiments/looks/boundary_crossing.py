"""Which boundary a drifting sum crosses first, and at which look: the integral under every group-sequential test.

A test statistic at information t is z = B / √t, and B is a Brownian motion with drift (Jennison & Turnbull 2000, Group
Sequential Methods, section 3.1). What is still going after look k has the density
f_k(b) = ∫ f_{k-1}(a) φ((b - a - θ Δ_k) / √Δ_k) / √Δ_k da over what was still going after look k - 1 (Armitage,
McPherson & Rowe 1969, JRSS A 132:235; Jennison & Turnbull 2000, chapter 19), here by Gauss-Legendre
quadrature on panels no wider than the next step is noisy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError

Floats = npt.NDArray[np.float64]
#: Beyond so many standard deviations nothing is left: 7e-16 of the mass.
REACH = 8.0
#: Looks closer than this share of the largest information would need grids too fine to be worth it.
MIN_STEP = 1e-4
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_PANEL = 1.5


class Crossing(NamedTuple):
    """Where sums stopped.

    Attributes:
        upper: (K,) probability of stopping at look k, at or above the upper boundary.
        lower: (K,) at or below the lower one.
    """

    upper: Floats
    lower: Floats


@dataclass(frozen=True, eq=False)
class StillGoing:
    """The sums that have crossed nothing yet, after some looks.

    Attributes:
        information: Of the last look; 0 before the first.
        score: (m,) grid of B.
        mass: (m,) probability at each point; together, of still going.
    """

    information: float
    score: Floats
    mass: Floats

    @classmethod
    def at_start(cls) -> StillGoing:
        """Before the first look: B = 0."""
        return cls(0.0, np.zeros(1), np.ones(1))

    def turned(self) -> StillGoing:
        """The same sums with their signs turned."""
        return StillGoing(self.information, -self.score, self.mass)

    def above(self, information: float, z: float, drift: float = 0.0) -> float:
        """Probability of being still going and at or above z at the next look."""
        return float(self.mass @ special.ndtr(-self._standardised(information, z, drift)))

    def below(self, information: float, z: float, drift: float = 0.0) -> float:
        """Probability of being still going and at or below z at the next look."""
        return float(self.mass @ special.ndtr(self._standardised(information, z, drift)))

    def within(self, information: float, lower: float, upper: float, drift: float, finest: float) -> StillGoing:
        """Those that at the next look lie between lower and upper, both z-values.

        Args:
            information: Of the next look.
            lower: Boundary below; -inf for none.
            upper: Boundary above; inf for none.
            drift: Mean of B per unit of information.
            finest: Smaller of the information steps before and after that look.
        """
        root, centre = math.sqrt(information), drift * information
        bottom = max(lower * root, centre - REACH * root)
        top = min(upper * root, centre + REACH * root)
        if not bottom < top:
            return StillGoing(information, np.zeros(1), np.zeros(1))
        panels = math.ceil((top - bottom) / (_PANEL * math.sqrt(finest)))
        edges = np.linspace(bottom, top, panels + 1)
        half = (top - bottom) / (2 * panels)
        score = (edges[:-1, np.newaxis] + half * (_NODES + 1)).ravel()
        step = information - self.information
        apart = (score[:, np.newaxis] - self.score - drift * step) / math.sqrt(step)
        density = np.exp(-0.5 * apart * apart) @ self.mass / math.sqrt(2 * math.pi * step)
        return StillGoing(information, score, density * np.tile(half * _WEIGHTS, panels))

    def _standardised(self, information: float, z: float, drift: float) -> Floats:
        step = information - self.information
        return np.asarray((z * math.sqrt(information) - self.score - drift * step) / math.sqrt(step), np.float64)


def crossing_probabilities(
    information: Sequence[float], lower: Sequence[float], upper: Sequence[float], drift: float = 0.0
) -> Crossing:
    """Probability of first crossing either boundary at each look.

    >>> five_naive_looks = crossing_probabilities([1, 2, 3, 4, 5], [-1.96] * 5, [1.96] * 5)
    >>> round(float(five_naive_looks.upper.sum() + five_naive_looks.lower.sum()), 3)
    0.142

    Args:
        information: (K,) of each look, rising, > 0, in any unit; without drift only ratios matter.
        lower: (K,) z-value at or below which to stop; -inf for none.
        upper: (K,) z-value at or above which to stop; inf for none.
        drift: Mean of z √t per unit of information t: z has mean drift √t.

    Raises:
        ConfigError: information does not rise by at least ``MIN_STEP`` of its largest from look to look, or the three
            are not as long as each other.
    """
    finest = finest_steps(information)
    if not len(information) == len(lower) == len(upper):
        raise ConfigError(f"{len(information)} looks, {len(lower)} lower and {len(upper)} upper values; need as many")
    going = StillGoing.at_start()
    above, below = [], []
    for place, now in enumerate(information):
        above.append(going.above(now, upper[place], drift))
        below.append(going.below(now, lower[place], drift))
        going = going.within(now, lower[place], upper[place], drift, finest[place])
    return Crossing(np.array(above), np.array(below))


def finest_steps(information: Sequence[float]) -> Floats:
    """(K,) smaller of the steps before and after each look.

    Raises:
        ConfigError: See ``crossing_probabilities``.
    """
    steps = np.diff(np.asarray(information, np.float64), prepend=0.0)
    if len(steps) == 0 or not np.isfinite(steps).all() or not (steps >= MIN_STEP * float(information[-1])).all():
        raise ConfigError(
            f"information == {list(information)}, must rise from look to look by at least {MIN_STEP} of the largest"
        )
    return np.asarray(np.minimum(steps, np.append(steps[1:], np.inf)), np.float64)
