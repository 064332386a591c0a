"""LinUCB: the arm that could be best in this context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from core.errors import ConfigError
from experiments.bandits.best_arm import highest
from experiments.bandits.linear import Linear
from experiments.bandits.rule import Common, Floats


class LinUCB(Linear):
    """The highest x · θ_a + α √(xᵀ A_a⁻¹ x) (Li et al. 2010, arXiv 1003.0146, eq. 4 and 5, one model an arm).

    >>> policy = LinUCB(["a", "b"], n_features=2, alpha=0.5)
    >>> policy.update("a", 1.0, [1.0, 0.0])
    >>> policy.propensities([1.0, 0.0]).tolist(), policy.propensities([0.0, 1.0]).tolist()
    ([1.0, 0.0], [0.5, 0.5])

    Args:
        alpha: Width of the bound in standard deviations, >= 0.

    Raises:
        ConfigError: alpha is below 0 or not finite.
    """

    name = "linucb"
    settings = ("n_features", "alpha")

    def __init__(self, arms: Sequence[str], *, n_features: int, alpha: float = 1.0, **common: Unpack[Common]) -> None:
        super().__init__(arms, n_features=n_features, **common)
        if not 0 <= alpha < np.inf:
            raise ConfigError(f"alpha == {alpha}, must be a number >= 0")
        self.alpha = alpha

    def prefer(self, expected: Floats, sd: Floats) -> Floats:
        """See ``Linear.prefer``."""
        return highest(expected + self.alpha * sd)
