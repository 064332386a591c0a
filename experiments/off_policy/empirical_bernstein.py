"""An interval for inverse propensity scoring that holds at any sample size, for whoever knows the bounds."""

from __future__ import annotations

import math

import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.inference.comparison import check_alpha
from experiments.off_policy.estimator import PolicyValue
from experiments.off_policy.evaluation_policy import EvaluationPolicy, evaluation_policy
from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit


def bernstein_ips(
    log: LoggedBandit,
    policy: npt.ArrayLike | EvaluationPolicy,
    *,
    reward_range: tuple[float, float],
    max_weight: float,
    alpha: float = 0.05,
) -> PolicyValue:
    """IPS with the empirical Bernstein interval, which does not lean on normality.

    V ± (s √(2 L / n) + 7 R L / (3 (n - 1))), L = ln(4 / alpha), s² the sample variance of the w r and R the length of
    the range that they can lie in (Maurer & Pontil 2009, Empirical Bernstein bounds and sample variance penalization,
    theorem 4, on both sides at alpha / 2). Wide where weights may be large: that is what a small log really knows.

    >>> import numpy as np
    >>> log = LoggedBandit(np.array([0, 1] * 500), np.array([1.0, 0.5] * 500), np.full(1000, 0.5))
    >>> found = bernstein_ips(log, np.array([[0.4, 0.6]]), reward_range=(0.0, 1.0), max_weight=1.2)
    >>> round(found.ci_lower, 3), round(found.ci_upper, 3)
    (0.678, 0.722)

    Args:
        log: What was done, every row a unit of its own.
        policy: As in ``Estimator.evaluate``.
        reward_range: The least and the greatest reward there can be, known beforehand, not looked up in the log.
        max_weight: The greatest weight there can be: 1 / the least propensity that the logging policy allows.
        alpha: The interval misses the true value with at most this probability.

    Returns:
        As ``IPS``, and an interval also where the effective sample is small.

    Raises:
        ConfigError: alpha, reward_range or max_weight is not allowed.
        DataError: A reward or weight beyond its bound, or rows of units: they depend on each other.
    """
    check_alpha(alpha)
    lowest, highest = reward_range
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest < highest):
        raise ConfigError(f"reward_range == {reward_range}, must be two finite numbers, the smaller first")
    if not 1 <= max_weight < math.inf:
        raise ConfigError(f"max_weight == {max_weight}, must be finite and >= 1")
    if log.n_units != log.n:
        raise DataError(f"{log.n} rows of {log.n_units} units depend on each other; use the t interval of IPS")
    judged = evaluation_policy(policy, log)
    found = IPS().evaluate(log, judged, alpha=alpha, min_ess=0)
    if found.status not in ("ok", "no_variance"):
        return found
    if log.reward.min() < lowest or log.reward.max() > highest:
        raise DataError(
            f"rewards run from {log.reward.min()} to {log.reward.max()}, beyond reward_range {reward_range}"
        )
    if found.max_weight > max_weight * (1 + 1e-9):
        raise DataError(f"a weight of {found.max_weight} is beyond max_weight {max_weight}")
    length = max(0.0, max_weight * highest) - min(0.0, max_weight * lowest)
    logarithm = math.log(4 / alpha)
    se = 0.0 if found.status == "no_variance" else found.se
    width = se * math.sqrt(2 * logarithm) + 7 * length * logarithm / (3 * (log.n - 1))
    return found._replace(ci_lower=found.value - width, ci_upper=found.value + width)
