"""Self-normalised inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.off_policy.estimator import Estimator, Terms, check_limit, clipped
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import Floats, LoggedBandit
from experiments.off_policy.reward_model import RewardModel


@dataclass(frozen=True)
class SNIPS(Estimator):
    """V = Σ w_i r_i / Σ w_i (Swaminathan & Joachims 2015, The self-normalized estimator, NeurIPS).

    Never outside the rewards seen, and unmoved by adding a constant to them; biased by O(1/n). The standard error is
    the delta method's for a ratio of means (Owen 2013, Monte Carlo theory, methods and examples, section 9.2).

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1, 1, 0] * 60), np.array([1.0, 0.5, 0.0, 1.0] * 60), np.full(240, 0.5))
    >>> round(SNIPS().evaluate(log, np.array([[0.5, 0.5]])).value, 3)
    0.625

    Attributes:
        clip: Largest weight used, > 0; None for no limit.
    """

    name: ClassVar[str] = "snips"
    clip: float | None = None

    def __post_init__(self) -> None:
        """Check."""
        check_limit("clip", self.clip)

    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """Influence (w / w̄) (r - V)."""
        used = clipped(weights, self.clip)
        relative = used / used.mean()
        value = float((relative * log.reward).mean())
        return Terms(value, relative * (log.reward - value))
