"""Two models judged on the same users: the paired bootstrap."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.bootstrap import bootstrap_means, check_resampling

Status = Literal["ok", "no_units", "no_variance"]


class PairedComparison(NamedTuple):
    """Candidate minus baseline, averaged over the users both have a value for.

    Attributes:
        effect_size: Mean difference; NaN with status "no_units".
        ci_lower: Lower end of the 1 - alpha percentile interval; NaN unless status is "ok".
        ci_upper: Upper end of it; NaN unless status is "ok".
        pvalue: Two-sided, of a mean difference of 0; NaN unless status is "ok".
        n_users: Users in the comparison.
        status: "no_units": no user has both values. "no_variance": every user's difference is the same, a
            single user included, so that no resample could differ.
    """

    effect_size: float
    ci_lower: float
    ci_upper: float
    pvalue: float
    n_users: int
    status: Status


def paired_bootstrap(
    candidate: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64],
    *,
    n_resamples: int = 2000,
    alpha: float = 0.05,
    seed: int,
) -> PairedComparison:
    """Compare two models user by user (Efron & Tibshirani 1993, chapters 13 and 15).

    The interval is the percentile interval of the mean difference over resampled users. The p-value inverts it:
    ``2 * min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (1 + n_resamples)``, at most 1.

    Args:
        candidate: (n_users,) metric per user; row i is the same user as in ``baseline``.
        baseline: (n_users,) likewise. A user whose value is NaN in either is left out of both.
        n_resamples: Resamples, at least 2 / alpha.
        alpha: Two-sided, 0 … 1.
        seed: Of the resampling; the same input and seed give the same result.

    Raises:
        ValueError: The arrays' shapes differ, alpha is not in (0, 1), or there are too few resamples for it.

    >>> paired_bootstrap(np.array([.2, .4, np.nan]), np.array([.1, .3, .9]), seed=0).status
    'no_variance'
    """
    if candidate.shape != baseline.shape or candidate.ndim != 1:
        raise ValueError(
            f"candidate.shape == {candidate.shape}, must be one row like baseline.shape == {baseline.shape}"
        )
    check_resampling(n_resamples, alpha)
    nan = float("nan")
    difference = candidate - baseline
    difference = difference[~np.isnan(difference)]
    n_users = len(difference)
    if n_users == 0:
        return PairedComparison(nan, nan, nan, nan, 0, "no_units")
    effect_size = float(difference.mean())
    if all_equal(difference):
        return PairedComparison(effect_size, nan, nan, nan, n_users, "no_variance")
    means = bootstrap_means(difference[:, np.newaxis], n_resamples=n_resamples, seed=seed)[:, 0]
    ci_lower, ci_upper = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    tail = 1 + min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    pvalue = min(1.0, 2 * tail / (1 + n_resamples))
    return PairedComparison(effect_size, float(ci_lower), float(ci_upper), pvalue, n_users, "ok")


def all_equal(values: npt.NDArray[np.float64]) -> bool:
    """Whether values agree up to rounding: .4 - .3 and .2 - .1 are the same difference."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def on_same_users(
    user_ids: npt.NDArray[Any],
    values: npt.NDArray[np.float64],
    other_user_ids: npt.NDArray[Any],
    other_values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bring two models' per-user values into one order of users.

    Args:
        user_ids: (n,) distinct external ids.
        values: (n,) or (n, m) values of those users.
        other_user_ids: (n_other,) distinct external ids.
        other_values: (n_other,) or (n_other, m) values of those users.

    Returns:
        Both values over the users in both, by ascending id; empty where they share none.
    """
    _, here, there = np.intersect1d(user_ids, other_user_ids, assume_unique=True, return_indices=True)
    return values[here], other_values[there]
