"""Epsilon-greedy: mostly the best so far, now and then any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.best_arm import highest
from experiments.bandits.context_free import ContextFree
from experiments.bandits.rule import Common
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]


class EpsilonGreedy(ContextFree):
    """The highest mean with probability 1 - ε, else any arm: q_a = ε / k + (1 - ε) [a is best] (Sutton & Barto 2018,
    Reinforcement Learning, section 2.2).

    >>> policy = EpsilonGreedy(["a", "b"], epsilon=0.2)
    >>> policy.update_many(["a", "b"], [1.0, 0.0])
    >>> policy.propensities().tolist()
    [0.9, 0.1]

    Args:
        epsilon: Share of decisions at random, 0 … 1.

    Raises:
        ConfigError: epsilon out of range.
    """

    name = "epsilon_greedy"
    settings = ("epsilon",)

    def __init__(self, arms: Sequence[str], *, epsilon: float = 0.1, **common: Unpack[Common]) -> None:
        super().__init__(arms, **common)
        if not 0 <= epsilon <= 1:
            raise ConfigError(f"epsilon == {epsilon}, must lie in 0 … 1")
        self.epsilon = epsilon

    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """See ``ContextFree.index``."""
        explores = rng.random((*statistics.n.shape[:-1], 1)) < self.epsilon
        return np.where(explores, rng.random(statistics.n.shape), statistics.mean)

    def preference(self, statistics: ArmStatistics) -> Floats:
        """See ``ContextFree.preference``."""
        return self.epsilon / len(statistics.n) + (1 - self.epsilon) * highest(statistics.mean)
