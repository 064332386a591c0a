"""The direct method: a reward model's word for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.off_policy.estimator import Estimator, Terms
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import Floats, LoggedBandit
from experiments.off_policy.reward_model import RewardModel


@dataclass(frozen=True)
class DirectMethod(Estimator):
    """V = Σ_i Σ_a π(a | x_i) q̂(x_i, a) / n (Dudík, Langford & Li 2011, arXiv 1103.4601, section 2).

    No weights, hence little variance and no need of overlap, but all of the model's bias, which its interval does not
    hold. For the ridge model fitted here the interval allows for the uncertainty of the coefficients; for given scores
    it takes them as they are and allows for the sample of contexts alone.

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 150), np.array([1.0, 0.5] * 149 + [1.0, 0.0]), np.full(300, 0.5))
    >>> found = DirectMethod().evaluate(log, np.array([[0.4, 0.6]]))
    >>> round(found.value, 2), found.status
    (0.7, 'ok')
    """

    name: ClassVar[str] = "dm"
    needs_overlap: ClassVar[bool] = False
    needs_scores: ClassVar[bool] = True

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence Σ_a π q̂ - V, and what the row did to q̂."""
        assert model is not None
        expected = policy.expectation(model.scores)
        value = float(expected.mean())
        influence = expected - value + model.fit_influence(log, policy)
        return Terms(value, influence)
