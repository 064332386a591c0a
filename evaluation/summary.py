"""A model's figures: the mean over users and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.bootstrap import bootstrap_means, check_resampling
from evaluation.paired import Status


class MetricSummary(NamedTuple):
    """One metric of one model.

    Attributes:
        mean: Mean over the users; NaN with status "no_units".
        ci_lower: Lower end of the 1 - alpha bootstrap percentile interval; NaN unless status is "ok".
        ci_upper: Upper end of it; NaN unless status is "ok".
        n_users: Users averaged over.
        status: "no_units": no user has a value. "no_variance": all users have the same value.
    """

    mean: float
    ci_lower: float
    ci_upper: float
    n_users: int
    status: Status


def summarise(
    per_user: Mapping[str, npt.NDArray[np.float64]], *, n_resamples: int = 2000, alpha: float = 0.05, seed: int
) -> dict[str, MetricSummary]:
    """Mean and bootstrap percentile interval of each metric, all over the same users.

    Args:
        per_user: Metric name to (n_users,) values, as ``evaluate_ranking`` returns them. A user with a NaN in any
            metric is left out of all.
        n_resamples: Resamples of the users, at least 2 / alpha.
        alpha: Two-sided, 0 … 1.
        seed: Of the resampling.

    Raises:
        ValueError: alpha is not in (0, 1), or there are too few resamples for it.

    >>> summarise({"ndcg": np.array([.2, .4, np.nan])}, seed=0)["ndcg"][:4]
    (0.30000000000000004, 0.2, 0.4, 2)
    """
    check_resampling(n_resamples, alpha)
    if not per_user:
        return {}
    nan = float("nan")
    values = np.column_stack(list(per_user.values()))
    values = values[~np.isnan(values).any(axis=1)]
    n_users = len(values)
    if n_users == 0:
        return dict.fromkeys(per_user, MetricSummary(nan, nan, nan, 0, "no_units"))
    resampled = bootstrap_means(values, n_resamples=n_resamples, seed=seed)
    lower, upper = np.quantile(resampled, [alpha / 2, 1 - alpha / 2], axis=0)
    varies = np.ptp(values, axis=0) > 0
    return {
        metric: MetricSummary(float(mean), float(low), float(high), n_users, "ok")
        if can_vary
        else MetricSummary(float(mean), nan, nan, n_users, "no_variance")
        for metric, mean, low, high, can_vary in zip(per_user, values.mean(axis=0), lower, upper, varies, strict=True)
    }


def summarise_each(
    per_user: Mapping[str, npt.NDArray[np.float64]], *, n_resamples: int = 2000, alpha: float = 0.05, seed: int
) -> dict[str, MetricSummary]:
    """Mean and bootstrap percentile interval of each metric, each over its own users.

    For figures that are not defined for the same users: segments, qualities of lists. All users are resampled, and how
    many of a metric's own are drawn varies with them, so the mean is a ratio of two sums.

    Args:
        per_user: Name to (n_users,) values, NaN for users that a name is not defined for.
        n_resamples: Resamples of the users, at least 2 / alpha.
        alpha: Two-sided, 0 … 1.
        seed: Of the resampling.

    Raises:
        ValueError: alpha is not in (0, 1), or there are too few resamples for it.

    >>> found = summarise_each({"old": np.array([.2, .4, np.nan]), "new": np.array([np.nan, np.nan, .3])}, seed=0)
    >>> found["old"].n_users, round(found["old"].mean, 3), found["new"].status
    (2, 0.3, 'no_variance')
    """
    check_resampling(n_resamples, alpha)
    if not per_user:
        return {}
    nan = float("nan")
    values = np.column_stack(list(per_user.values()))
    known = ~np.isnan(values)
    n_users = np.count_nonzero(known, axis=0)
    # Of nobody, the least is infinite and the most minus infinity.
    least = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    varies = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf) > least
    sums, ends = np.where(known, values, 0.0), np.full((2, values.shape[1]), nan)
    if varies.any():
        both = np.column_stack([sums[:, varies], known[:, varies].astype(np.float64)])
        drawn = bootstrap_means(both, n_resamples=n_resamples, seed=seed)
        total, count = np.split(drawn, 2, axis=1)
        # A small segment may not be drawn at all: such a resample says nothing of it.
        means = np.divide(total, count, out=np.full(total.shape, nan), where=count > 0)
        ends[:, varies] = np.nanquantile(means, [alpha / 2, 1 - alpha / 2], axis=0)
    return {
        name: MetricSummary(nan, nan, nan, 0, "no_units")
        if n == 0
        else MetricSummary(float(total / n), float(lower), float(upper), int(n), "ok" if can_vary else "no_variance")
        for name, total, n, can_vary, lower, upper in zip(
            per_user, sums.sum(axis=0), n_users, varies, *ends, strict=True
        )
    }
