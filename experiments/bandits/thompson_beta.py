"""Thompson sampling for rewards of 0 and 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.best_arm import beta_best_arm
from experiments.bandits.context_free import ContextFree
from experiments.bandits.statistics import ArmStatistics, Prior

Floats = npt.NDArray[np.float64]


class ThompsonBeta(ContextFree):
    """Each arm as often as it is likely the best: θ_a ~ Beta(α + successes, β + failures), the highest draw wins
    (Thompson 1933; Chapelle & Li 2011, An Empirical Evaluation of Thompson Sampling, algorithm 2).

    The prior of mean μ and strength s is Beta(μ s, (1 - μ) s); the policy's own is the uniform Beta(1, 1).

    >>> policy = ThompsonBeta(["a", "b"])
    >>> policy.update("a", 1)
    >>> policy.propensities().round(3).tolist()
    [0.667, 0.333]
    """

    name = "thompson_beta"
    reward_kind = "binary"
    default_prior = Prior(0.5, 2.0)
    default_refresh = 0.01
    has_ties = False

    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """See ``ContextFree.index``."""
        return rng.beta(*_posterior(statistics))

    def preference(self, statistics: ArmStatistics) -> Floats:
        """See ``ContextFree.preference``; the posteriors' chance to be best."""
        return beta_best_arm(*_posterior(statistics))

    def _check_prior(self, prior: Prior) -> Prior:
        believed = prior.checked()
        if not (0 < np.min(believed.mean) < 1 and believed.strength > 0):
            raise ConfigError(f"prior == {tuple(prior)}, must have a mean above 0 and below 1, a strength above 0")
        return believed


def _posterior(statistics: ArmStatistics) -> tuple[Floats, Floats]:
    successes = statistics.sums + statistics.prior_mean * statistics.prior_strength
    return successes, statistics.weight - successes
