"""Thompson sampling for rewards of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.best_arm import gaussian_best_arm
from experiments.bandits.context_free import ContextFree
from experiments.bandits.rule import Common
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]

#: Sums of squares that differ by no more than this share may differ by rounding alone.
_ROUNDING = 64 * np.finfo(np.float64).eps


class ThompsonGaussian(ContextFree):
    """Each arm as often as it is likely the best under θ_a ~ N(m_a, v_a / (n_a + s_a)), m_a the mean with the prior
    counted as s_a rewards (Russo et al. 2018, A Tutorial on Thompson Sampling, arXiv 1707.02038, section 3).

    The rewards' variance is estimated, drawn a little to that of all arms together so that two equal rewards are no
    certainty: v_a = (SS_a + v) / n_a, SS_a the squared deviations from the arm's mean, v = Σ SS_b / Σ (n_b - 1). Hence
    the policy does not depend on the unit of the rewards, and every arm needs two of them first.

    >>> policy = ThompsonGaussian(["a", "b"])
    >>> policy.update_many(["a", "b"], [10.0, 30.0], counts=[1000, 1000], sum_squares=[2000.0, 2000.0])
    >>> policy.propensities().round(3).tolist()
    [0.376, 0.624]

    Raises:
        ConfigError: burn_in is below 2.
    """

    name = "thompson_gaussian"
    default_burn_in = 2
    default_refresh = 0.01

    def __init__(self, arms: Sequence[str], **common: Unpack[Common]) -> None:
        super().__init__(arms, **common)
        if self.burn_in < 2:
            raise ConfigError(f"burn_in == {self.burn_in}, must be >= 2: a variance takes two rewards")

    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """See ``ContextFree.index``."""
        return statistics.mean + _posterior_sd(statistics) * rng.standard_normal(statistics.n.shape)

    def preference(self, statistics: ArmStatistics) -> Floats:
        """See ``ContextFree.preference``; the posteriors' chance to be best."""
        return gaussian_best_arm(statistics.mean, _posterior_sd(statistics))


def _posterior_sd(statistics: ArmStatistics) -> Floats:
    n, squares = statistics.n, statistics.squares
    deviations = squares - statistics.sums**2 / np.maximum(n, np.finfo(np.float64).tiny)
    deviations = np.where(deviations > _ROUNDING * squares, deviations, 0.0)
    freedom = np.maximum(n - 1, 0.0).sum(axis=-1, keepdims=True)
    pooled = deviations.sum(axis=-1, keepdims=True) / np.maximum(freedom, 1.0)
    variance = (deviations + pooled) / np.maximum(n, 1.0)
    return np.asarray(np.sqrt(variance / np.maximum(statistics.weight, np.finfo(np.float64).tiny)), np.float64)
