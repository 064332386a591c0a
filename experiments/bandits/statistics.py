"""What a policy knows of its arms when it chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

Floats = npt.NDArray[np.float64]


class Prior(NamedTuple):
    """What is believed of an arm before its first reward; a warm start where it comes from elsewhere.

    Attributes:
        mean: Expected reward; for linear policies the d coefficients.
        strength: Rewards that the belief is worth, >= 0; for linear policies the ridge penalty.
    """

    mean: float | Sequence[float]
    strength: float

    def checked(self, size: int | None = None) -> Prior:
        """Itself, if it can be used.

        Args:
            size: Coefficients that a linear policy needs; None for one number.

        Raises:
            ConfigError: The mean is not finite or of another length, the strength is not finite or below 0.
        """
        parts = np.atleast_1d(np.asarray(self.mean, np.float64))
        if not np.isfinite(parts).all() or (np.ndim(self.mean) > 0) != (size is not None):
            raise ConfigError(f"prior mean == {self.mean}, must be {_wanted(size)}")
        if size is not None and len(parts) != size:
            raise ConfigError(f"prior mean has {len(parts)} numbers, must be {_wanted(size)}")
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise ConfigError(f"prior strength == {self.strength}, must be a number >= 0")
        return self

    def as_list(self) -> list[Any]:
        """JSON-able, for ``Prior(*…)``."""
        return [self.mean if isinstance(self.mean, float | int) else list(self.mean), self.strength]


class ArmStatistics(NamedTuple):
    """Sums of rewards by arm. The leading axes are free: a simulation has its runs there, a policy nothing.

    Attributes:
        n: (..., k) rewards; discounted ones count in part.
        sums: (..., k) of the rewards.
        squares: (..., k) of their squares.
        prior_mean: (k,).
        prior_strength: (k,).
        total: (...) rewards of all arms, priors included; also of arms that this decision leaves out.
    """

    n: Floats
    sums: Floats
    squares: Floats
    prior_mean: Floats
    prior_strength: Floats
    total: Floats

    @property
    def weight(self) -> Floats:
        """(..., k) rewards, the prior's included."""
        return self.n + self.prior_strength

    @property
    def mean(self) -> Floats:
        """(..., k) mean reward, the prior counted as so many rewards; 0 for an arm of which nothing is known.

        >>> from experiments.bandits.statistics import ArmStatistics
        >>> ArmStatistics(*np.array([[3.0], [2.0], [2.0], [0.5], [2.0], [5.0]])).mean
        array([0.6])
        """
        known = self.sums + self.prior_mean * self.prior_strength
        return np.asarray(known / np.maximum(self.weight, np.finfo(np.float64).tiny), np.float64)


def _wanted(size: int | None) -> str:
    return "a finite number" if size is None else f"{size} finite numbers"
