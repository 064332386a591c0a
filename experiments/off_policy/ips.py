"""Inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.off_policy.estimator import Estimator, Terms, check_limit, clipped
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import Floats, LoggedBandit
from experiments.off_policy.reward_model import RewardModel


@dataclass(frozen=True)
class IPS(Estimator):
    """V = Σ w_i r_i / n, w = π(a | x) / propensity (Horvitz & Thompson 1952; Dudík, Langford & Li 2011, section 2).

    Unbiased without any model, whatever the rewards; its variance grows with the weights. Cutting them at ``clip``
    trades variance for a bias towards 0 where rewards are positive (Ionides 2008, Truncated importance sampling).

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 150), np.array([1.0, 0.5] * 150), np.full(300, 0.5))
    >>> found = IPS().evaluate(log, np.array([[0.4, 0.6]]))
    >>> round(found.value, 3), round(found.se, 3), found.status
    (0.7, 0.006, 'ok')

    Attributes:
        clip: Largest weight used, > 0; None for no limit.
    """

    name: ClassVar[str] = "ips"
    clip: float | None = None

    def __post_init__(self) -> None:
        """Check."""
        check_limit("clip", self.clip)

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence w r - V."""
        products = clipped(weights, self.clip) * log.reward
        value = float(products.mean())
        return Terms(value, products - value)
