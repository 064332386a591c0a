"""Replay of uniformly logged decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.off_policy.estimator import Estimator, Terms
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import ROUNDING, Floats, LoggedBandit
from experiments.off_policy.overlap import PolicyStatus
from experiments.off_policy.reward_model import RewardModel


@dataclass(frozen=True)
class Replay(Estimator):
    """Mean reward of the rows where the policy would have done what was done (Li et al. 2011, WSDM, algorithm 2).

    Unbiased where every action had the same chance 1 / k; of other logs it says ``not_uniform`` and nothing else,
    because it would favour what the logging policy liked. A policy with probabilities keeps a row with the probability
    of its action; the mean over that chance is taken instead of a draw.

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 150), np.array([1.0, 0.5] * 149 + [1.0, 0.0]), np.full(300, 0.5))
    >>> found = Replay().evaluate(log, np.ones(300, int))
    >>> round(found.value, 2), found.ess, found.matched
    (0.5, 150.0, 0.5)
    """

    name: ClassVar[str] = "replay"

    def unsuited(self, log: LoggedBandit, policy: EvaluationPolicy) -> PolicyStatus:
        """``not_uniform`` unless every propensity is 1 / k, k the actions known to the log or else to the policy."""
        if log.logging_policy is not None:
            even = np.abs(log.logging_policy - 1 / log.logging_policy.shape[1]).max() <= ROUNDING
        else:
            even = np.abs(log.propensity - 1 / policy.n_actions).max() <= ROUNDING
        return "ok" if even else "not_uniform"

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence (m / m̄) (r - V), m the chance that the row is kept."""
        kept = policy.of(log.action)
        relative = kept / kept.mean()
        value = float((relative * log.reward).mean())
        return Terms(value, relative * (log.reward - value))
