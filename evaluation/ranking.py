"""Ranking metrics per user: top-k lists against held-out items, all users at once.

With r_i = 1 where the i-th item of a user's list is relevant (else 0), R the user's number of relevant items and k
the length of the list:

    ndcg       sum_i r_i / log2(i + 1), over its best possible value: 1 / log2(i + 1) summed for i = 1 … min(k, R)
    recall     sum_i r_i / R
    precision  sum_i r_i / k, also where fewer than k items were recommended
    map        average precision: sum_i r_i (r_1 + … + r_i) / i, over R (not over min(k, R))
    mrr        1 / i of the first relevant item, 0 where there is none
    hit_rate   1 where any item is relevant

So ``recall`` and ``map`` reach 1 only where R <= k, ``precision`` only where R >= k. Sources: Järvelin & Kekäläinen
(2002), eq. 4, with binary gain, for NDCG; Manning, Raghavan & Schütze (2008), chapter 8, for the others.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Truth: TypeAlias = "sparse.csr_array[Any, Any] | sparse.csr_matrix[Any]"

METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
PADDING = -1


def evaluate_ranking(recommended: npt.NDArray[np.integer[Any]], truth: Truth, k: int) -> dict[str, FloatArray]:
    """Every metric of :data:`METRICS` at k for every user.

    Args:
        recommended: (n_users, m) item indexes, best first, ``PADDING`` (-1) where a list has no item. Only the
            first k columns count; with m < k the missing places are empty.
        truth: (n_users, n_items); an item is relevant where a value other than 0 is stored.
        k: Length of the list that is judged, at least 1.

    Returns:
        Metric name to (n_users,) float64 in 0 … 1: NaN where a user has no relevant item, 0 where the list is empty.

    Raises:
        ValueError: The shapes disagree, k < 1, an item index lies outside the truth, or a list names an item twice.

    >>> truth = sparse.csr_array([[0, 1, 1, 0], [0, 0, 0, 0]])
    >>> figures = evaluate_ranking(np.array([[1, 0, 2], [0, 1, 2]]), truth, k=3)
    >>> figures["map"].round(4).tolist(), figures["recall"].tolist()
    ([0.8333, nan], [1.0, nan])
    """
    hits = find_hits(recommended, truth, k)
    n_relevant = np.diff(_canonical(truth).indptr).astype(np.float64)
    # NaN as divisor makes every metric of a user without truth NaN, without a branch per metric.
    n_relevant[n_relevant == 0] = np.nan
    return metrics_of_hits(hits, n_relevant)


def find_hits(recommended: npt.NDArray[np.integer[Any]], truth: Truth, k: int) -> BoolArray:
    """(n_users, k) True where the item at that place is relevant. Arguments and errors: :func:`evaluate_ranking`."""
    return _hits(_checked_lists(recommended, truth, k), _canonical(truth))


def metrics_of_hits(hits: BoolArray, n_relevant: FloatArray) -> dict[str, FloatArray]:
    """The metrics, where it is already known which places hold a relevant item.

    Args:
        hits: (n_users, k) bool, True where the item at that place is relevant.
        n_relevant: (n_users,) number of relevant items, NaN for users that have none.

    Returns:
        Metric name to (n_users,) float64, NaN where ``n_relevant`` is.
    """
    k = hits.shape[1]
    place = np.arange(1, k + 1, dtype=np.float64)
    discount = 1.0 / np.log2(place + 1.0)
    no_truth = n_relevant * 0.0
    n_hits = np.cumsum(hits, axis=1, dtype=np.float64)
    any_hit = n_hits[:, -1] > 0
    # Summed in the order of the ideal list, not by a matrix product, so that a perfect list scores exactly 1.
    dcg = np.cumsum(hits * discount, axis=1)[:, -1]
    return {
        "ndcg": dcg / _ideal_dcg(n_relevant, discount),
        "recall": n_hits[:, -1] / n_relevant,
        "precision": n_hits[:, -1] / k + no_truth,
        "map": (n_hits / place * hits).sum(axis=1) / n_relevant,
        "mrr": any_hit / (np.argmax(hits, axis=1) + 1.0) + no_truth,
        "hit_rate": any_hit + no_truth,
    }


def _ideal_dcg(n_relevant: FloatArray, discount: FloatArray) -> FloatArray:
    """(n_users,) DCG of a list that ranks every relevant item first; NaN where ``n_relevant`` is."""
    best = np.cumsum(discount)
    known = ~np.isnan(n_relevant)
    ideal = np.full(len(n_relevant), np.nan)
    ideal[known] = best[np.minimum(n_relevant[known].astype(np.int64), len(best)) - 1]
    return ideal


def _checked_lists(recommended: npt.NDArray[np.integer[Any]], truth: Truth, k: int) -> IntArray:
    """(n_users, k) int64, missing columns as empty places; refused where it cannot be what it should be."""
    if k < 1:
        raise ValueError(f"k == {k}, must be >= 1")
    if recommended.ndim != 2 or recommended.shape[0] != truth.shape[0]:
        raise ValueError(
            f"recommended.shape == {recommended.shape}, must be ({truth.shape[0]}, m): a row per user of truth"
        )
    lists = np.full((recommended.shape[0], k), PADDING, dtype=np.int64)
    lists[:, : recommended.shape[1]] = recommended[:, :k]
    if lists.size == 0:
        return lists
    if lists.min() < PADDING or lists.max() >= truth.shape[1]:
        raise ValueError(
            f"recommended holds item indexes {lists.min()} … {lists.max()}, "
            f"must be 0 … {truth.shape[1] - 1}, or {PADDING} for an empty place"
        )
    ascending = np.sort(lists, axis=1)
    twice = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] != PADDING)
    if twice.any():
        raise ValueError(f"recommended names an item twice for user_index {int(np.argmax(twice.any(axis=1)))}")
    return lists


def _canonical(truth: Truth) -> Truth:
    """Truth with sorted column indexes, no duplicates and no stored zeros; the caller's own is left as it is."""
    if truth.has_canonical_format and bool(np.all(truth.data)):
        return truth
    clean = truth.copy()
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


def _hits(lists: IntArray, truth: Truth) -> BoolArray:
    """(n_users, m) True where a list's item is relevant, found by one binary search over (user, item) keys.

    Keys are ``user_index * n_items + item_index``: sorted already, because truth is canonical.
    """
    n_users, n_items = truth.shape
    row_start = np.arange(n_users, dtype=np.int64) * n_items
    keys = np.repeat(row_start, np.diff(truth.indptr)) + truth.indices
    wanted = lists + row_start[:, np.newaxis]
    if len(keys) == 0:
        return np.zeros(lists.shape, dtype=np.bool_)
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: BoolArray = (keys[position] == wanted) & (lists != PADDING)
    return found
