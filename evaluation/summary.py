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
