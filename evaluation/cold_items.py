"""How well a model ranks items that nobody rated before: whole items are held out, and ranked among themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.stats import rankdata

from evaluation.ranks import codes
from evaluation.splits import Split, split_by


def hold_out_items(item: npt.ArrayLike, test_fraction: float, seed: int) -> Split:
    """Hold out all ratings of a random share of the items, so that these are new to who learns from the rest.

    Args:
        item: (n_rows,) item ids of any sortable type.
        test_fraction: Share of the items, 0 < test_fraction < 1; their number is rounded down.
        seed: The same seed and items give the same split.

    Returns:
        Every row once, in train or in test; no item is in both.

    Raises:
        ValueError: ``test_fraction`` is out of range.

    >>> [part.tolist() for part in hold_out_items([7, 8, 7, 9, 8], test_fraction=0.4, seed=0)]
    [[0, 1, 2, 4], [3]]
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction == {test_fraction}, must be > 0 and < 1")
    code = codes(item)
    n_items = int(code.max(initial=-1)) + 1
    chosen = np.random.default_rng(seed).permutation(n_items)[: int(test_fraction * n_items)]
    return split_by(np.isin(code, chosen))


def auc_per_user(scores: npt.NDArray[np.floating[Any]], liked: sparse.csr_array[Any, Any]) -> npt.NDArray[np.float64]:
    """How often an item that the user liked scores above one that she did not: .5 is chance, 1 all of them.

    The Mann-Whitney statistic over the number of pairs, ties counted half (Hanley & McNeil 1982), of each user.

    Args:
        scores: (n_users, n_items) of the items to rank, e.g. new ones; NaN ranks below every number.
        liked: (n_users, n_items) sparse, nonzero where the user liked the item; all others are the negatives.

    Returns:
        (n_users,) float64 0 … 1; NaN for users who liked none of the items, or all.

    Raises:
        ValueError: The shapes differ.

    >>> auc_per_user(np.array([[.9, .1, .5], [.2, .2, .2]]), sparse.csr_array(np.array([[1, 0, 0], [0, 0, 1]])))
    array([1. , 0.5])
    """
    if scores.shape != liked.shape:
        raise ValueError(f"scores has shape {scores.shape}, liked {liked.shape}; both must be (n_users, n_items)")
    n_users, n_items = scores.shape
    user, item = liked.nonzero()
    rank = rankdata(np.where(np.isnan(scores), -np.inf, scores), axis=1) if scores.size else scores
    n_liked = np.bincount(user, minlength=n_users)
    above = np.bincount(user, weights=rank[user, item], minlength=n_users) - n_liked * (n_liked + 1) / 2
    pairs = n_liked * (n_items - n_liked)
    auc: npt.NDArray[np.float64] = np.divide(above, pairs, out=np.full(n_users, np.nan), where=pairs > 0)
    return auc
