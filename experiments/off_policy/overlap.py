"""Whether a log says anything about another policy: importance weights and what is to be seen in them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import ROUNDING, Floats, LoggedBandit

#: ``ok``; ``no_units``: an empty log; ``too_few_units``: a single unit; ``no_overlap``: the policy would do what the
#: logging policy could not; ``low_ess``: so few rows count that no interval holds, the value alone stands;
#: ``wrong_weights``: the weights do not average 1, so propensities are wrong or overlap is missing; ``not_uniform``:
#: replay of a log that was not drawn uniformly; ``no_variance``: nothing varies, the value alone stands;
#: ``not_finite``: a figure overflows.
PolicyStatus = Literal[
    "ok",
    "no_units",
    "too_few_units",
    "no_overlap",
    "low_ess",
    "wrong_weights",
    "not_uniform",
    "no_variance",
    "not_finite",
]
#: Effective sample size from which t intervals were seen to cover 92 % or more where they claim 95 %, with weights up
#: to 37; at 30 it was 86 %.
MIN_ESS = 100.0
#: Share of 1 by which mean weights must be off to be called wrong: propensities may have been rounded.
_SHARE_WRONG = 0.01
#: -ln of one in a million: the chance at which luck is ruled out.
_BEYOND_LUCK = 14.0


class Overlap(NamedTuple):
    """Importance weights and their diagnostics.

    Attributes:
        weights: (n,) w = π(action) / propensity, >= 0.
        ess: Effective sample size (Σw)² / Σw² (Kish 1965, Survey Sampling, section 11.7), 0 … n; NaN without rows.
        max_weight: The largest one; NaN without rows.
        mean_weight: Their mean, near 1 where propensities are right and overlap is full; NaN without rows.
        matched: Share of the rows whose action the policy could have taken, 0 … 1; NaN without rows.
        status: ``ok``, ``no_units``, ``too_few_units``, ``no_overlap``, ``low_ess`` or ``wrong_weights``.
    """

    weights: Floats
    ess: float
    max_weight: float
    mean_weight: float
    matched: float
    status: PolicyStatus


def overlap(log: LoggedBandit, policy: EvaluationPolicy, *, min_ess: float = MIN_ESS) -> Overlap:
    """Importance weights of a policy on a log.

    Missing overlap is seen where the logging policy's probabilities are known; where the action taken was certain and
    the policy might have done another; and where the policy would take an action that the log never shows although even
    the least likely one that it shows would have come up. What hides from all three shows in the mean weight, whose
    expectation is the probability that the policy stays where the logging policy goes: ``wrong_weights``.

    >>> from experiments.off_policy.evaluation_policy import evaluation_policy
    >>> log = LoggedBandit(np.array([0, 1] * 100), np.array([1.0, 0.0] * 100), np.full(200, 0.5))
    >>> found = overlap(log, evaluation_policy([[0.9, 0.1]], log))
    >>> round(found.ess, 1), found.max_weight, round(found.mean_weight, 6), found.status
    (122.0, 1.8, 1.0, 'ok')

    Args:
        log: What was done.
        policy: What is to be judged.
        min_ess: Below this effective sample size the status is ``low_ess``.
    """
    if log.n == 0:
        return Overlap(np.empty(0), math.nan, math.nan, math.nan, math.nan, "no_units")
    weights = policy.of(log.action) / log.propensity
    largest = float(weights.max())
    # As shares of the largest: squares of huge weights would overflow.
    shares = weights / largest if largest > 0 else weights
    ess = float(shares.sum()) ** 2 / float(shares @ shares) if largest > 0 else 0.0
    mean = float(weights.mean())
    status: PolicyStatus = "ok"
    if log.n_units < 2:
        status = "too_few_units"
    elif ess == 0 or _strays(log, policy):
        status = "no_overlap"
    elif ess < min_ess:
        status = "low_ess"
    elif abs(mean - 1) > _SHARE_WRONG and _evidence_against_one(mean, log) > _BEYOND_LUCK:
        status = "wrong_weights"
    return Overlap(weights, ess, largest, mean, float(np.count_nonzero(weights)) / log.n, status)


def _strays(log: LoggedBandit, policy: EvaluationPolicy) -> bool:
    if log.logging_policy is not None:
        unknown = policy.n_actions - log.logging_policy.shape[1]
        return policy.strays_from(np.pad(log.logging_policy, ((0, 0), (0, unknown))))
    certain = log.propensity == 1
    if (policy.of(log.action)[certain] < 1 - ROUNDING).any():
        return True
    return policy.mass(unlogged(log, policy)) > 0 and log.n * float(log.propensity.min()) > _BEYOND_LUCK


def _evidence_against_one(mean: float, log: LoggedBandit) -> float:
    """-ln of the chance that weights averaging 1 average so, at most.

    For n weights between 0 and M it is n KL(mean / M, 1 / M) (Hoeffding 1963, JASA 58:13, theorem 1). M is 1 over the
    least propensity seen. Their own spread would not do: a mean is low exactly where the large weights did not turn up.
    """
    most = 1 / float(log.propensity.min())
    if most <= 1 + ROUNDING:
        return 0.0
    share, rows = min(mean / most, 1.0), 1.0 * log.n
    if log.unit is not None:
        # A unit's rows may all have the same weight.
        sizes = np.bincount(log.unit).astype(np.float64)
        rows = sizes.sum() ** 2 / float(sizes @ sizes)
    return rows * float(special.rel_entr(share, 1 / most) + special.rel_entr(1 - share, 1 - 1 / most))


def unlogged(log: LoggedBandit, policy: EvaluationPolicy) -> npt.NDArray[np.bool_]:
    """(k,) whether no row of the log shows the action."""
    found: npt.NDArray[np.bool_] = np.bincount(log.action, minlength=policy.n_actions) == 0
    return found
