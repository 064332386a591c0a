"""Every model against every other, judged on the same users."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.bootstrap import bootstrap_means, check_resampling
from evaluation.paired import Status, all_equal
from evaluation.randomisation import sign_flip_pvalues


class PairwiseDifference(NamedTuple):
    """One model minus another.

    Attributes:
        candidate: The model named first.
        baseline: The other.
        effect_size: Mean difference over the users; NaN with status "no_units".
        ci_lower: Lower end of the 1 - alpha paired bootstrap interval; NaN unless status is "ok".
        ci_upper: Upper end of it; NaN unless status is "ok".
        pvalue: Of the paired randomisation test: two-sided, raw; NaN with status "no_units".
        n_users: Users that have a value in every model compared.
        status: "no_units": no user has. "no_variance": every user's difference is the same.
    """

    candidate: str
    baseline: str
    effect_size: float
    ci_lower: float
    ci_upper: float
    pvalue: float
    n_users: int
    status: Status


def pairwise_differences(
    values: Mapping[str, npt.NDArray[np.float64]],
    *,
    n_resamples: int = 2000,
    n_permutations: int = 9_999,
    alpha: float = 0.05,
    seed: int,
) -> list[PairwiseDifference]:
    """Compare all pairs, with the same resampled users and the same sign patterns for all of them.

    Intervals and p-values are each pair's own: whoever reads several of them corrects the p-values for that
    (``experiments/inference/multiplicity.py``).

    Args:
        values: Model to (n_users,) metric per user; row i is the same user in all. A user with a NaN in any is left
            out of all.
        n_resamples: Of the bootstrap, at least 2 / alpha.
        n_permutations: Of the randomisation test.
        alpha: Of the intervals, two-sided.
        seed: Of both.

    Returns:
        ``(first, second)``, ``(first, third)`` … in the order given; empty for fewer than two models.

    Raises:
        ValueError: The arrays' shapes differ, alpha is not in (0, 1), or there are too few resamples for it.

    >>> [found] = pairwise_differences({"a": np.array([.3, .5, .9]), "b": np.array([.1, .2, np.nan])}, seed=0)
    >>> found.candidate, found.baseline, round(found.effect_size, 3), found.n_users, found.pvalue
    ('a', 'b', 0.25, 2, 0.5)
    """
    check_resampling(n_resamples, alpha)
    names = list(combinations(values, 2))
    if not names:
        return []
    table = np.column_stack(list(values.values()))
    table = table[~np.isnan(table).any(axis=1)]
    n_users, nan = len(table), float("nan")
    if n_users == 0:
        return [PairwiseDifference(*pair, nan, nan, nan, nan, 0, "no_units") for pair in names]
    first, second = (np.array(side) for side in zip(*combinations(range(len(values)), 2), strict=True))
    differences = table[:, first] - table[:, second]
    pvalues = sign_flip_pvalues(differences, n_permutations=n_permutations, seed=seed)
    resampled = bootstrap_means(table, n_resamples=n_resamples, seed=seed)
    ends = np.quantile(resampled[:, first] - resampled[:, second], [alpha / 2, 1 - alpha / 2], axis=0)
    found = []
    for place, pair in enumerate(names):
        fixed = all_equal(differences[:, place])
        lower, upper = (nan, nan) if fixed else ends[:, place].tolist()
        effect_size, pvalue = float(differences[:, place].mean()), float(pvalues[place])
        status: Status = "no_variance" if fixed else "ok"
        found.append(PairwiseDifference(*pair, effect_size, lower, upper, pvalue, n_users, status))
    return found
