"""KL-UCB: the tightest upper bound for rewards between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError
from experiments.bandits.context_free import UpperBound
from experiments.bandits.rule import Common
from experiments.bandits.statistics import ArmStatistics, Prior

Floats = npt.NDArray[np.float64]

_STEPS = 8
_FURTHEST = 40.0


class KLUCB(UpperBound):
    """The highest max{q : n_a kl(mean_a, q) <= ln N + c ln ln N}, kl the divergence of two Bernoulli distributions
    (Garivier & Cappé 2011, The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond, arXiv 1102.2490, algorithm
    1; c = 0 is what they recommend in practice).

    >>> policy = KLUCB(["a", "b"])
    >>> policy.update_many(["a", "a", "a", "b"], [1, 0, 0, 1])
    >>> policy.upper_bound(policy.statistics()).round(4).tolist()
    [0.7824, 1.0]

    Args:
        c: Weight of ln ln N, >= 0.

    Raises:
        ConfigError: c is below 0 or not finite.
    """

    name = "kl_ucb"
    reward_kind = "unit"
    settings = ("c",)

    def __init__(self, arms: Sequence[str], *, c: float = 0.0, **common: Unpack[Common]) -> None:
        super().__init__(arms, **common)
        if not 0 <= c < np.inf:
            raise ConfigError(f"c == {c}, must be a number >= 0")
        self.c = c

    def _check_prior(self, prior: Prior) -> Prior:
        believed = prior.checked()
        if not 0 <= np.min(believed.mean) <= 1:
            raise ConfigError(f"prior mean == {prior.mean}, must lie in 0 … 1")
        return believed

    def upper_bound(self, statistics: ArmStatistics) -> Floats:
        """See ``UpperBound.upper_bound``."""
        log_total = np.log(np.maximum(statistics.total, 1.0))
        # ln ln N is negative below e; there it takes nothing away.
        reach = log_total + self.c * np.log(np.maximum(log_total, 1.0))
        return kl_upper_bound(statistics.mean, reach[..., np.newaxis] / statistics.weight)


def kl_upper_bound(mean: npt.ArrayLike, divergence: npt.ArrayLike) -> Floats:
    """Largest q with kl(mean, q) = mean ln(mean / q) + (1 - mean) ln((1 - mean) / (1 - q)) <= divergence.

    Newton's method on y = -ln(1 - q), in which kl is convex: started right of the root, at Pinsker's bound
    mean + √(divergence / 2), it comes down to it without ever passing.

    >>> kl_upper_bound([0.5, 1.0], [0.1, 0.1]).round(6).tolist()
    [0.712879, 1.0]

    Args:
        mean: (...), 0 … 1.
        divergence: Broadcasts against mean, >= 0.

    Returns:
        (...), mean … 1.
    """
    p, d = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(divergence, np.float64))
    entropy = special.xlogy(p, p) + special.xlogy(1 - p, 1 - p)
    y = -np.log1p(-np.clip(p + np.sqrt(d / 2), 1e-12, 1 - 1e-15))
    # -mean ln q >= 0 left out of kl: another bound that the root cannot pass, near where Pinsker's is not.
    y = np.minimum(y, np.maximum((d - entropy) / np.maximum(1 - p, 1e-300), 1e-12))
    y = np.minimum(y, _FURTHEST)
    for _ in range(_STEPS):
        q = -np.expm1(-y)
        excess = entropy - p * np.log(q) + (1 - p) * y - d
        slope = (1 - p) - p * np.exp(-y) / q
        step = np.maximum(excess, 0.0) / np.maximum(slope, 1e-300)
        y = np.where(slope > 0, np.maximum(y - step, 1e-15), y)
    return np.asarray(np.clip(-np.expm1(-y), p, 1.0), np.float64)
