"""Where the relevant items stand among all that might have been recommended, not only in the first k places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from evaluation.ranking import Truth

IntArray = npt.NDArray[np.int64]


class FullRanks(NamedTuple):
    """A row per relevant pair of user and item, users ascending.

    Attributes:
        user: (n_pairs,) int64 0 … n_users - 1.
        above: (n_pairs,) int64 candidates of the user that score higher.
        tied: (n_pairs,) int64 candidates that score the same, the item itself included.
        n_candidates: (n_users,) int64 items that each user might have been recommended.
    """

    user: IntArray
    above: IntArray
    tied: IntArray
    n_candidates: IntArray

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Ranks of consecutive users as one."""
        user, above, tied, n_candidates = [], [], [], []
        first = 0
        for part in parts:
            user.append(part.user + first)
            above.append(part.above)
            tied.append(part.tied)
            n_candidates.append(part.n_candidates)
            first += len(part.n_candidates)
        nothing = [np.empty(0, np.int64)]
        return cls(*(np.concatenate(nothing + some) for some in (user, above, tied, n_candidates)))


def full_ranks(scores: npt.NDArray[np.floating[Any]], relevant: Truth, n_candidates: IntArray) -> FullRanks:
    """Rank the relevant items of some users by one sort of each user's scores.

    Args:
        scores: (n_users, m) of the first m items, NaN for what is no candidate or cannot be scored.
        relevant: (n_users, n_items) with n_items >= m; nonzero where a candidate is relevant. Those without a score
            (NaN, or beyond m) stand behind all others, tied among themselves and with all other candidates that have
            none.
        n_candidates: (n_users,) how many items each user might have been recommended, scored or not.

    Raises:
        ValueError: The shapes disagree.

    >>> from scipy.sparse import csr_array
    >>> found = full_ranks(np.array([[.5, .9, np.nan, .5]]), csr_array([[1, 0, 1, 0, 0]]), np.array([5]))
    >>> found.above.tolist(), found.tied.tolist()
    ([1, 3], [2, 2])
    """
    n_users, m = scores.shape
    if relevant.shape[0] != n_users or relevant.shape[1] < m or n_candidates.shape != (n_users,):
        raise ValueError(
            f"scores has shape {scores.shape}, relevant {relevant.shape}, n_candidates {n_candidates.shape}; "
            "must be (n_users, m), (n_users, >= m) and (n_users,)"
        )
    user = np.repeat(np.arange(n_users), np.diff(relevant.indptr))
    own = np.full(len(user), np.nan, scores.dtype)
    inside = relevant.indices < m
    own[inside] = scores[user[inside], relevant.indices[inside]]
    # NaN sorts last, so each row begins with its scored candidates.
    ascending = np.sort(scores, axis=1)
    n_scored = m - np.count_nonzero(np.isnan(ascending), axis=1)
    scored = ~np.isnan(own)
    above, tied = n_scored[user], n_candidates[user] - n_scored[user]
    lower = _count(ascending, user[scored], own[scored], n_scored, or_equal=False)
    upper = _count(ascending, user[scored], own[scored], n_scored, or_equal=True)
    above[scored] -= upper
    tied[scored] = upper - lower
    return FullRanks(user, above, tied, n_candidates)


def _count(
    ascending: npt.NDArray[np.floating[Any]],
    row: IntArray,
    bound: npt.NDArray[np.floating[Any]],
    n_scored: IntArray,
    *,
    or_equal: bool,
) -> IntArray:
    """(n,) how many of its row's first ``n_scored`` values are below each bound: binary searches side by side."""
    low, high = np.zeros(len(row), np.int64), n_scored[row]
    while (low < high).any():
        middle = (low + high) // 2
        # Where a search has ended, the value read is not used, but it must be there.
        value = ascending[row, np.minimum(middle, ascending.shape[1] - 1)]
        open_, right = low < high, (value <= bound) if or_equal else (value < bound)
        low = np.where(open_ & right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)
    return low
