"""UCB1: the arm that could be best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.context_free import UpperBound
from experiments.bandits.rule import Common
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]


class UCB1(UpperBound):
    """The highest mean plus α √(2 ln N / n_a), N the rewards of all arms (Auer, Cesa-Bianchi & Fischer 2002,
    Finite-time Analysis of the Multiarmed Bandit Problem, figure 1: α = 1). Made for rewards in 0 … 1; scale α
    with others.

    >>> policy = UCB1(["A", "B", "C"])
    >>> policy.update_many(list("AABABCCC"), [1, 0, 1, 1, 0, 0, 0, 1])
    >>> policy.upper_bound(policy.statistics()).round(4).tolist()
    [1.8441, 1.942, 1.5107]

    Args:
        alpha: Width of the bound, >= 0.

    Raises:
        ConfigError: alpha is below 0 or not finite.
    """

    name = "ucb1"
    settings = ("alpha",)

    def __init__(self, arms: Sequence[str], *, alpha: float = 1.0, **common: Unpack[Common]) -> None:
        super().__init__(arms, **common)
        if not 0 <= alpha < np.inf:
            raise ConfigError(f"alpha == {alpha}, must be a number >= 0")
        self.alpha = alpha

    def upper_bound(self, statistics: ArmStatistics) -> Floats:
        """See ``UpperBound.upper_bound``."""
        log_total = np.log(np.maximum(statistics.total, 1.0))[..., np.newaxis]
        return statistics.mean + self.alpha * np.sqrt(2 * log_total / statistics.weight)
