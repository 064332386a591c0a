"""Is a difference between two models more than luck? The paired randomisation test.

Where two models are equally good, which of a user's two values is whose is arbitrary: swapping them changes the sign
of her difference and nothing else. The p-value is the share of sign patterns whose mean difference is at least as far
from 0 as the one observed (Fisher 1935, chapter III; for ranking metrics Smucker, Allan & Carterette 2007). Raw:
whoever makes several tests corrects them (``experiments/inference/multiplicity.py``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.paired import Status

#: Signs held at once: bounds the memory at about 20 MB.
_BLOCK = 2_000_000
#: Sums that differ by less than rounding are equal: 1 + .1 - .1 counts as far out as 1.
_ROUNDING = 1e-9


class RandomisationTest(NamedTuple):
    """Candidate minus baseline, and how often luck alone would make as much of a difference.

    Attributes:
        effect_size: Mean difference over the users both have a value for; NaN with status "no_units".
        pvalue: Two-sided, raw; 1 where every difference is 0, NaN with status "no_units".
        n_users: Users in the comparison.
        exact: Every sign pattern was counted; else a sample of them was.
        status: "ok", or "no_units": no user has both values.
    """

    effect_size: float
    pvalue: float
    n_users: int
    exact: bool
    status: Status


def randomisation_test(
    candidate: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64],
    *,
    n_permutations: int = 9_999,
    seed: int,
) -> RandomisationTest:
    """Compare two models user by user.

    Args:
        candidate: (n_users,) metric per user; row i is the same user as in ``baseline``.
        baseline: (n_users,) likewise. A user whose value is NaN in either is left out of both.
        n_permutations: Sign patterns drawn where there are more than that; else all are counted.
        seed: Of the drawing; the same input and seed give the same result.

    Raises:
        ValueError: The arrays' shapes differ, or n_permutations < 1.

    >>> randomisation_test(np.array([.5, .6, .7]), np.array([.4, .4, .4]), seed=0).pvalue
    0.25
    """
    if candidate.shape != baseline.shape or candidate.ndim != 1:
        raise ValueError(
            f"candidate.shape == {candidate.shape}, must be one row like baseline.shape == {baseline.shape}"
        )
    difference = candidate - baseline
    difference = difference[~np.isnan(difference)]
    n_users = len(difference)
    exact = is_exact(n_users, n_permutations)
    if n_users == 0:
        return RandomisationTest(float("nan"), float("nan"), 0, exact, "no_units")
    pvalue = sign_flip_pvalues(difference[:, np.newaxis], n_permutations=n_permutations, seed=seed)[0]
    return RandomisationTest(float(difference.mean()), float(pvalue), n_users, exact, "ok")


def is_exact(n: int, n_permutations: int) -> bool:
    """Whether all sign patterns of n differences are counted."""
    return n < 63 and 2**n <= n_permutations


def sign_flip_pvalues(
    differences: npt.NDArray[np.float64], *, n_permutations: int = 9_999, seed: int
) -> npt.NDArray[np.float64]:
    """Two-sided p-values of several comparisons over the same users, all by the same sign patterns.

    Where patterns are drawn: ``(1 + #{as far out}) / (1 + n_permutations)``, since the observed pattern is one of them
    (Phipson & Smyth 2010), so that no p-value is 0.

    Args:
        differences: (n_users, m) float64 without NaN, n_users >= 1.
        n_permutations: As in :func:`randomisation_test`.
        seed: As there.

    Returns:
        (m,) raw p-values.

    Raises:
        ValueError: There is no user, or n_permutations < 1.
    """
    n, m = differences.shape
    if n == 0 or n_permutations < 1:
        raise ValueError(f"{n} users and n_permutations == {n_permutations}, must both be >= 1")
    exact = is_exact(n, n_permutations)
    n_patterns = 2**n if exact else n_permutations
    total = differences.sum(axis=0)
    least = np.abs(total) - _ROUNDING * np.abs(differences).sum(axis=0)
    rng = np.random.default_rng(seed)
    as_far = np.zeros(m, dtype=np.int64)
    block = max(1, _BLOCK // n)
    for start in range(0, n_patterns, block):
        size = min(block, n_patterns - start)
        kept = _all_patterns(start, size, n) if exact else _random_bits(rng, size, n)
        # Kept minus turned round: the sum of those kept counts twice, less everything once.
        sums = 2.0 * (kept @ differences) - total
        as_far += np.count_nonzero(np.abs(sums) >= least, axis=0)
    return as_far / n_patterns if exact else (1 + as_far) / (1 + n_patterns)


def _all_patterns(start: int, size: int, n: int) -> npt.NDArray[np.float64]:
    """(size, n) bits of the numbers from ``start`` on."""
    number = np.arange(start, start + size, dtype=np.int64)[:, np.newaxis]
    return ((number >> np.arange(n)) & 1).astype(np.float64)


def _random_bits(rng: np.random.Generator, size: int, n: int) -> npt.NDArray[np.float64]:
    """(size, n) fair bits."""
    drawn = np.frombuffer(rng.bytes((size * n + 7) // 8), np.uint8)
    return np.unpackbits(drawn, count=size * n).reshape(size, n).astype(np.float64)
