"""Thompson sampling with a linear model: each arm as often as it is likely the best in this context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from core.errors import ConfigError
from experiments.bandits.best_arm import gaussian_best_arm
from experiments.bandits.linear import Linear
from experiments.bandits.rule import Common, Floats


class LinTS(Linear):
    """Arms drawn by their chance to be best under θ_a ~ N(θ̂_a, v² A_a⁻¹) (Agrawal & Goyal 2013, Thompson Sampling for
    Contextual Bandits with Linear Payoffs, arXiv 1209.3352, algorithm 1, one model an arm).

    In a context x the arms' x · θ_a are independent and Gaussian, so that the chance is an integral in one dimension.

    >>> policy = LinTS(["a", "b"], n_features=2)
    >>> policy.update("a", 1.0, [1.0, 0.0])
    >>> policy.propensities([1.0, 0.0]).round(3).tolist()
    [0.658, 0.342]

    Args:
        scale: v, the rewards' standard deviation around their expectation, above 0.

    Raises:
        ConfigError: scale is not above 0.
    """

    name = "lints"
    settings = ("n_features", "scale")

    def __init__(self, arms: Sequence[str], *, n_features: int, scale: float = 1.0, **common: Unpack[Common]) -> None:
        super().__init__(arms, n_features=n_features, **common)
        if not 0 < scale < np.inf:
            raise ConfigError(f"scale == {scale}, must be a number above 0")
        self.scale = scale

    def prefer(self, expected: Floats, sd: Floats) -> Floats:
        """See ``Linear.prefer``."""
        return gaussian_best_arm(expected, self.scale * sd)
