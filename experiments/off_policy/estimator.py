"""What every off-policy estimator shares: status, standard error, interval and diagnostics live here once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.inference.comparison import check_alpha
from experiments.json_document import json_document
from experiments.off_policy.evaluation_policy import EvaluationPolicy, evaluation_policy
from experiments.off_policy.influence import clustered_se, t_interval
from experiments.off_policy.logged_bandit import Floats, LoggedBandit
from experiments.off_policy.overlap import MIN_ESS, Overlap, PolicyStatus, overlap, unlogged
from experiments.off_policy.reward_model import RewardModel, given_scores, ridge_rewards

#: Mass on actions never logged above which a model fitted on that log has no say.
_UNLOGGED = 0.05
#: Influences below this share of the figures around them are rounding.
_ROUNDING = 1e-13


class PolicyValue(NamedTuple):
    """Mean reward a row that a policy would have earned.

    Attributes:
        estimator: Its registered name.
        value: In the reward's unit; NaN where nothing can be said.
        se: Its standard error; NaN unless ``status`` is ``ok``.
        ci_lower: Lower end of the 1 - alpha t interval; NaN likewise.
        ci_upper: Upper end.
        n: Rows.
        n_units: Independent units among them.
        ess: Effective sample size of the weights; NaN without rows.
        max_weight: The largest weight before clipping.
        mean_weight: Their mean, near 1 where propensities are right and overlap is full.
        matched: Share of the rows whose action the policy could have taken.
        status: Of ``PolicyStatus``. ``low_ess`` and ``no_variance`` leave the value, all others but ``ok`` nothing.
    """

    estimator: str
    value: float
    se: float
    ci_lower: float
    ci_upper: float
    n: int
    n_units: int
    ess: float
    max_weight: float
    mean_weight: float
    matched: float
    status: PolicyStatus

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        return json_document(self._asdict())


class Estimated(NamedTuple):
    """A value and what each row adds to it.

    Attributes:
        value: NaN where nothing can be said.
        influence: (n,) with mean 0: the estimate's error is about their mean; NaN where the value is.
        overlap: Of the policy on the log.
        status: As in ``PolicyValue``.
    """

    value: float
    influence: Floats
    overlap: Overlap
    status: PolicyStatus


class Terms(NamedTuple):
    """What an estimator makes of usable data.

    Attributes:
        value: The estimate.
        influence: (n,) with mean 0.
    """

    value: float
    influence: Floats


class Estimator(ABC):
    """Base of the estimators; a subclass says how weights, rewards and scores become a value.

    Attributes:
        name: Its registered name.
        needs_overlap: Whether it rests on the weights.
        needs_scores: Whether it rests on a reward model.
    """

    name: ClassVar[str]
    needs_overlap: ClassVar[bool] = True
    needs_scores: ClassVar[bool] = False

    @abstractmethod
    def terms(self, log: LoggedBandit, policy: EvaluationPolicy, weights: Floats, model: RewardModel | None) -> Terms:
        """The value and each row's influence, from data that have been found usable.

        Args:
            log: What was done.
            policy: What is judged.
            weights: (n,) importance weights.
            model: The reward model; None unless ``needs_scores``.
        """

    def unsuited(self, log: LoggedBandit, policy: EvaluationPolicy) -> PolicyStatus:
        """A status of this estimator's own; ``ok`` where it has nothing against the data."""
        return "ok"

    def evaluate(
        self,
        log: LoggedBandit,
        policy: npt.ArrayLike | EvaluationPolicy,
        *,
        scores: npt.ArrayLike | RewardModel | None = None,
        alpha: float = 0.05,
        min_ess: float = MIN_ESS,
    ) -> PolicyValue:
        """Value of a policy on a log, with a t interval over the units.

        Args:
            log: What was done.
            policy: (n, k) probabilities, (1, k) for the same everywhere, or (n,) choices; ``evaluation_policy``.
            scores: (n, k) reward model's predictions, or a fitted model. None: a cross-fitted ridge regression, where
                the estimator needs one.
            alpha: The interval misses the true value with this probability, 0 … 1.
            min_ess: Effective sample size below which no interval is given.

        Raises:
            ConfigError: alpha or min_ess is not allowed.
            DataError: Policy or scores do not fit the log.
        """
        check_alpha(alpha)
        found = self.estimate(log, policy, scores=scores, min_ess=min_ess)
        se = clustered_se(found.influence, log) if found.status == "ok" else math.nan
        bounds = t_interval(found.value, se, log.n_units, alpha)
        seen = found.overlap
        return PolicyValue(
            self.name,
            found.value,
            se,
            bounds.ci_lower,
            bounds.ci_upper,
            log.n,
            log.n_units,
            seen.ess,
            seen.max_weight,
            seen.mean_weight,
            seen.matched,
            found.status,
        )

    def estimate(
        self,
        log: LoggedBandit,
        policy: npt.ArrayLike | EvaluationPolicy,
        *,
        scores: npt.ArrayLike | RewardModel | None = None,
        min_ess: float = MIN_ESS,
    ) -> Estimated:
        """Value and influences without an interval, for comparisons. Arguments and errors: ``evaluate``."""
        if not min_ess >= 0:
            raise ConfigError(f"min_ess == {min_ess}, must be >= 0")
        judged = evaluation_policy(policy, log)
        model = self.reward_model(log, judged.n_actions, scores)
        seen = overlap(log, judged, min_ess=min_ess)
        status = self._status(log, judged, seen, model)
        if status not in ("ok", "low_ess"):
            return Estimated(math.nan, np.full(log.n, np.nan), seen, status)
        with np.errstate(over="ignore", invalid="ignore"):
            value, influence = self.terms(log, judged, seen.weights, model)
            finite = math.isfinite(value) and math.isfinite(float(influence @ influence))
        if not finite:
            return Estimated(math.nan, np.full(log.n, np.nan), seen, "not_finite")
        size = max(abs(value), float(np.abs(log.reward).max()))
        if status == "ok" and not np.abs(influence).max() > _ROUNDING * size * max(seen.max_weight, 1.0):
            status = "no_variance"
        return Estimated(value, influence, seen, status)

    def reward_model(
        self, log: LoggedBandit, n_actions: int, scores: npt.ArrayLike | RewardModel | None
    ) -> RewardModel | None:
        """The model that the estimator is to use; None where it needs none."""
        if not self.needs_scores:
            return None
        if isinstance(scores, RewardModel):
            return scores
        return ridge_rewards(log, n_actions) if scores is None else given_scores(scores, log, n_actions)

    def _status(
        self, log: LoggedBandit, policy: EvaluationPolicy, seen: Overlap, model: RewardModel | None
    ) -> PolicyStatus:
        if seen.status in ("no_units", "too_few_units"):
            return seen.status
        own = self.unsuited(log, policy)
        if own != "ok":
            return own
        if self.needs_overlap:
            return seen.status
        fitted = model is not None and model.fit is not None
        return "no_overlap" if fitted and policy.mass(unlogged(log, policy)) > _UNLOGGED else "ok"


def clipped(weights: Floats, clip: float | None) -> Floats:
    """Weights cut at ``clip``; as they are where it is None."""
    return weights if clip is None else np.minimum(weights, clip)


def check_limit(name: str, limit: float | None) -> None:
    """Refuse a limit on weights that is not above 0.

    Raises:
        ConfigError: The limit is given and not above 0.
    """
    if limit is not None and not limit > 0:
        raise ConfigError(f"{name} == {limit}, must be above 0, or None for no limit")
