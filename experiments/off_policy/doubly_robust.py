"""Doubly robust estimators: a reward model, corrected by the weighted errors that it makes on what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.off_policy.estimator import Estimator, Terms, check_limit, clipped
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import Floats, LoggedBandit
from experiments.off_policy.reward_model import RewardModel


@dataclass(frozen=True)
class DoublyRobust(Estimator):
    """V = Σ_i (Σ_a π(a | x_i) q̂(x_i, a) + w_i (r_i - q̂(x_i, a_i))) / n (Dudík, Langford & Li 2011, eq. 1).

    Unbiased for true propensities whatever the model, because each row is predicted without its own reward; the better
    the model, the smaller the variance. With ``switch``, rows whose weight is above it are left to the model (Wang,
    Agarwal & Dudík 2017, Optimal and adaptive off-policy evaluation in contextual bandits, section 4); with ``clip``
    their weight is cut. Either brings back some of the model's bias.

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 150), np.array([1.0, 0.5] * 149 + [1.0, 0.0]), np.full(300, 0.5))
    >>> round(DoublyRobust().evaluate(log, np.array([[0.4, 0.6]])).value, 2)
    0.7

    Attributes:
        clip: Largest weight used, > 0; None for no limit.
        switch: Largest weight whose row corrects the model, > 0; None for all rows.
    """

    name: ClassVar[str] = "dr"
    needs_scores: ClassVar[bool] = True
    clip: float | None = None
    switch: float | None = None

    def __post_init__(self) -> None:
        """Check."""
        check_limit("clip", self.clip)
        check_limit("switch", self.switch)

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence Σ_a π q̂ + w (r - q̂) - V."""
        assert model is not None
        products = policy.expectation(model.scores) + self._used(weights) * _errors(log, model)
        value = float(products.mean())
        return Terms(value, products - value)

    def _used(self, weights: Floats) -> Floats:
        cut = clipped(weights, self.clip)
        return cut if self.switch is None else np.where(weights <= self.switch, cut, 0.0)


@dataclass(frozen=True)
class SelfNormalisedDoublyRobust(DoublyRobust):
    """``DoublyRobust`` whose correction is divided by the weights' sum (Thomas & Brunskill 2016, ICML).

    V = Σ_i Σ_a π(a | x_i) q̂(x_i, a) / n + Σ w_i (r_i - q̂(x_i, a_i)) / Σ w_i. Where ``switch`` leaves no row to correct
    the model, it is the model's value.

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 150), np.array([1.0, 0.5] * 149 + [1.0, 0.0]), np.full(300, 0.5))
    >>> round(SelfNormalisedDoublyRobust().evaluate(log, np.array([[0.4, 0.6]])).value, 2)
    0.7
    """

    name: ClassVar[str] = "sndr"

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence Σ_a π q̂ - its mean + (w / w̄) (r - q̂ - the mean error)."""
        assert model is not None
        expected, used, errors = policy.expectation(model.scores), self._used(weights), _errors(log, model)
        mean = float(used.mean())
        relative = used / mean if mean > 0 else used
        model_value, correction = float(expected.mean()), float((relative * errors).mean())
        return Terms(model_value + correction, expected - model_value + relative * (errors - correction))


def _errors(log: LoggedBandit, model: RewardModel) -> Floats:
    return log.reward - model.scores[np.arange(log.n), log.action]
