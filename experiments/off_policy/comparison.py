"""One policy against another on the same log: what going live with it would change."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.inference.comparison import check_alpha
from experiments.json_document import json_document
from experiments.off_policy.estimator import Estimated, Estimator
from experiments.off_policy.evaluation_policy import EvaluationPolicy, evaluation_policy
from experiments.off_policy.influence import clustered_se, t_interval
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.overlap import MIN_ESS, Overlap, PolicyStatus
from experiments.off_policy.reward_model import RewardModel


class PolicyUplift(NamedTuple):
    """Evaluation policy against a baseline.

    Attributes:
        estimator: The estimator's registered name.
        effect_size: Value of the policy - value of the baseline, a row; NaN where either is.
        se: Its standard error; NaN unless ``status`` is ``ok``.
        ci_lower: Lower end of the 1 - alpha t interval; NaN likewise.
        ci_upper: Upper end.
        pvalue: Two-sided, of no effect; NaN likewise.
        rel_effect_size: effect_size / baseline; NaN unless the baseline is above 0.
        rel_se: Its standard error (delta method).
        rel_ci_lower: Lower end of its interval.
        rel_ci_upper: Upper end.
        value: Of the policy.
        baseline_value: Of the baseline.
        n: Rows.
        n_units: Independent units among them.
        ess: Effective sample size of the policy, or the baseline's where that is smaller.
        status: Of ``PolicyStatus``: the policy's, or the baseline's where that is not ``ok``. ``no_variance``: no row
            tells the two apart.
    """

    estimator: str
    effect_size: float
    se: float
    ci_lower: float
    ci_upper: float
    pvalue: float
    rel_effect_size: float
    rel_se: float
    rel_ci_lower: float
    rel_ci_upper: float
    value: float
    baseline_value: float
    n: int
    n_units: int
    ess: float
    status: PolicyStatus

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        return json_document(self._asdict())


def policy_uplift(
    log: LoggedBandit,
    policy: npt.ArrayLike | EvaluationPolicy,
    baseline: npt.ArrayLike | EvaluationPolicy | None = None,
    *,
    estimator: Estimator,
    scores: npt.ArrayLike | RewardModel | None = None,
    alpha: float = 0.05,
    min_ess: float = MIN_ESS,
) -> PolicyUplift:
    """Difference of two policies' values, paired: both are told from the same rows, so their errors cancel in part.

    With influences φ of the policy and ψ of the baseline, the difference's is φ - ψ, and the relative one's
    φ / V₀ - V ψ / V₀² (delta method).

    >>> from experiments.off_policy.snips import SNIPS
    >>> log = LoggedBandit(np.array([0, 1, 1, 0] * 60), np.array([1.0, 0.5, 0.0, 1.0] * 60), np.full(240, 0.5))
    >>> found = policy_uplift(log, np.zeros(240, int), np.ones(240, int), estimator=SNIPS())
    >>> found.effect_size, round(found.rel_effect_size, 3), found.status
    (0.75, 3.0, 'ok')

    Args:
        log: What was done.
        policy: What might go live; as in ``Estimator.evaluate``.
        baseline: What it is held against; None: the logging policy, whose value is the log's mean reward.
        estimator: For both.
        scores: As in ``Estimator.evaluate``, for both.
        alpha: The intervals miss the true effect with this probability, each.
        min_ess: As in ``Estimator.evaluate``.

    Raises:
        ConfigError: alpha or min_ess is not allowed.
        DataError: A policy or the scores do not fit the log.
    """
    check_alpha(alpha)
    judged = evaluation_policy(policy, log)
    other = None if baseline is None else evaluation_policy(baseline, log)
    n_actions = max(judged.n_actions, 0 if other is None else other.n_actions)
    model = estimator.reward_model(log, n_actions, scores)
    found = estimator.estimate(log, judged, scores=model, min_ess=min_ess)
    held = logged_value(log) if other is None else estimator.estimate(log, other, scores=model, min_ess=min_ess)
    return _compared(estimator.name, found, held, log, alpha)


def logged_value(log: LoggedBandit) -> Estimated:
    """The logging policy's own value: its mean reward, every weight 1."""
    if log.n == 0:
        nothing = np.empty(0)
        return Estimated(
            math.nan, nothing, Overlap(nothing, math.nan, math.nan, math.nan, math.nan, "no_units"), "no_units"
        )
    status: PolicyStatus = "ok" if log.n_units > 1 else "too_few_units"
    value = float(log.reward.mean())
    return Estimated(value, log.reward - value, Overlap(np.ones(log.n), float(log.n), 1.0, 1.0, 1.0, status), status)


def _compared(name: str, found: Estimated, held: Estimated, log: LoggedBandit, alpha: float) -> PolicyUplift:
    effect = found.value - held.value
    influence = found.influence - held.influence
    status = _status(found, held, log)
    if status == "ok" and not np.abs(influence).max(initial=0.0) > _rounding(found, held, log):
        status = "no_variance"
    se = clustered_se(influence, log) if status == "ok" else math.nan
    bounds = t_interval(effect, se, log.n_units, alpha)
    rel_effect, rel_se = _relative(found, held, log)
    rel_se = rel_se if status == "ok" else math.nan
    rel_bounds = t_interval(rel_effect, rel_se, log.n_units, alpha)
    return PolicyUplift(
        estimator=name,
        effect_size=effect,
        se=se,
        ci_lower=bounds.ci_lower,
        ci_upper=bounds.ci_upper,
        pvalue=bounds.pvalue,
        rel_effect_size=rel_effect,
        rel_se=rel_se,
        rel_ci_lower=rel_bounds.ci_lower,
        rel_ci_upper=rel_bounds.ci_upper,
        value=found.value,
        baseline_value=held.value,
        n=log.n,
        n_units=log.n_units,
        ess=min(found.overlap.ess, held.overlap.ess),
        status=status,
    )


def _relative(found: Estimated, held: Estimated, log: LoggedBandit) -> tuple[float, float]:
    """Relative effect and its standard error; NaN unless the baseline is above 0."""
    if not held.value > 0:
        return math.nan, math.nan
    ratio = found.value / held.value
    return ratio - 1, clustered_se(found.influence / held.value - ratio * (held.influence / held.value), log)


def _status(found: Estimated, held: Estimated, log: LoggedBandit) -> PolicyStatus:
    # A policy whose own value does not vary can still be told from one whose value does.
    for one in (found, held):
        if one.status not in ("ok", "no_variance"):
            return one.status
    return "ok"


def _rounding(found: Estimated, held: Estimated, log: LoggedBandit) -> float:
    largest = max(found.overlap.max_weight, held.overlap.max_weight, 1.0)
    return 1e-13 * largest * max(abs(found.value), abs(held.value), float(np.abs(log.reward).max(initial=0.0)))
