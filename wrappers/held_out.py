"""The part of the training ratings that a network is validated on, and how well it ranks it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

#: Ratings of a user below which none is held out: little would be left to know her by.
_LEAST_RATINGS = 5

_CELLS = 2**18


class HeldOut(NamedTuple):
    """Ratings in two parts.

    Attributes:
        learned: (n_users, n_items) without what is held out.
        users: (n,) int64 users that something is held out of, ascending.
        row: (m,) int64 place in ``users`` of each rating held out, ascending.
        item: (m,) int64 the item of it.
    """

    learned: sparse.csr_array[Any, Any]
    users: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]


def hold_out(history: sparse.csr_array[Any, Any], share: float, most_users: int, seed: int) -> HeldOut:
    """Hold out some ratings of each user with at least five: a random share, rounded up.

    Args:
        history: (n_users, n_items), something stored where a user rated an item.
        share: Of a user's ratings, 0 … 1; 0 holds out nothing.
        most_users: Users to hold out of at most, chosen at random.
        seed: Of users and ratings.
    """
    rng = np.random.default_rng(seed)
    n_rated = np.diff(history.indptr)
    users = np.flatnonzero(n_rated >= (_LEAST_RATINGS if share else np.inf))
    if len(users) > most_users:
        users = np.sort(rng.choice(users, most_users, replace=False))
    n_held_out = np.zeros(len(n_rated), np.int64)
    n_held_out[users] = np.ceil(n_rated[users] * share)
    owner = np.repeat(np.arange(len(n_rated)), n_rated)
    shuffled = np.lexsort((rng.random(history.nnz), owner))
    place = np.arange(history.nnz) - history.indptr[owner]
    chosen = np.sort(shuffled[place < n_held_out[owner]])
    left = np.ones(history.nnz, np.bool_)
    left[chosen] = False
    indptr = np.concatenate([[0], np.cumsum(left)])[history.indptr]
    learned = sparse.csr_array((history.data[left], history.indices[left], indptr), shape=history.shape)
    return HeldOut(learned, users, np.searchsorted(users, owner[chosen]), history.indices[chosen].astype(np.int64))


def mean_ndcg(scores: npt.NDArray[np.float32], held_out: HeldOut, k: int = 10) -> float:
    """Mean NDCG@k over the users that something is held out of.

    An item's rank is that among what the user did not rate, the others held out included; among equals it comes last.

    Args:
        scores: (n, n_items) float32 of ``held_out.users``; changed. A row with a NaN has no ranking: the mean is NaN.
        held_out: At least one rating.
        k: Length of a list.
    """
    seen = held_out.learned[held_out.users]
    scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
    if np.isnan(scores).any():
        return float("nan")
    target = scores[held_out.row, held_out.item][:, np.newaxis]
    # Small blocks: a row is copied for each of its items, and copies stay in the processor's cache.
    size = max(1, _CELLS // scores.shape[1])
    blocks = [(start, start + size) for start in range(0, len(target), size)]
    rank = np.concatenate(
        [np.count_nonzero(scores[held_out.row[start:stop]] >= target[start:stop], axis=1) for start, stop in blocks]
    )
    gain = np.bincount(held_out.row, weights=np.where(rank <= k, 1 / np.log2(1 + rank), 0))
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    return float((gain / ideal[np.minimum(np.bincount(held_out.row), k) - 1]).mean())
