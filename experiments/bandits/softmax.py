"""Softmax: the better an arm looks, the more often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.context_free import ContextFree
from experiments.bandits.rule import Common
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]


class Softmax(ContextFree):
    """q_a ∝ exp(mean_a / τ), Boltzmann exploration (Sutton & Barto 2018, Reinforcement Learning, eq. 2.11, with means
    as preferences).

    >>> policy = Softmax(["a", "b"], temperature=0.5)
    >>> policy.update_many(["a", "b"], [1.0, 0.0])
    >>> policy.propensities().round(4).tolist()
    [0.8808, 0.1192]

    Args:
        temperature: τ, in the unit of the rewards, above 0: the higher, the more alike the arms.

    Raises:
        ConfigError: temperature is not above 0.
    """

    name = "softmax"
    settings = ("temperature",)
    has_ties = False

    def __init__(self, arms: Sequence[str], *, temperature: float = 0.1, **common: Unpack[Common]) -> None:
        super().__init__(arms, **common)
        if not 0 < temperature < np.inf:
            raise ConfigError(f"temperature == {temperature}, must be a number above 0")
        self.temperature = temperature

    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """See ``ContextFree.index``; with Gumbel noise the highest is drawn by softmax."""
        return statistics.mean / self.temperature + rng.gumbel(size=statistics.n.shape)

    def preference(self, statistics: ArmStatistics) -> Floats:
        """See ``ContextFree.preference``."""
        # The highest is taken off first: exp cannot overflow then.
        odds = np.exp((statistics.mean - statistics.mean.max()) / self.temperature)
        return np.asarray(odds / odds.sum(), np.float64)
