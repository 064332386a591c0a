"""What lists are worth beyond being right: how much of the catalogue they reach, how varied, new and surprising they
are, and how far they follow the crowd.

Lists are (n_users, m) item indexes, best first, ``PADDING`` (-1) where a list has no item; only the first k columns
count. What is told per user is NaN for users whose list has too little in it, so means go over the others.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from evaluation.ranking import PADDING

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Lists: TypeAlias = npt.NDArray[np.integer[Any]]


def coverage(recommended: Lists, n_items: int, k: int) -> float:
    """Share of the catalogue that is recommended to anyone in the first k places.

    Args:
        recommended: (n_users, m) lists.
        n_items: Size of the catalogue.
        k: Places that count, at least 1.

    Returns:
        0 … 1; 0 where nothing is recommended, NaN where the catalogue is empty.

    Raises:
        ValueError: k < 1, or an item index lies outside the catalogue.

    >>> coverage(np.array([[0, 1], [1, 2]]), n_items=6, k=2)
    0.5
    """
    shown = exposure(recommended, n_items, k)
    return float(np.count_nonzero(shown) / n_items) if n_items else float("nan")


def exposure(recommended: Lists, n_items: int, k: int) -> IntArray:
    """(n_items,) int64 in how many lists each item is. Arguments and errors: :func:`coverage`."""
    lists = _first(recommended, n_items, k)
    return np.bincount(lists[lists != PADDING], minlength=n_items).astype(np.int64)


def gini(shown: npt.NDArray[np.number[Any]]) -> float:
    """How unequally exposure is spread: 0 where every item is shown as often, near 1 where one gets it all.

    With x ascending, ``sum_i (2i - n - 1) x_i / (n sum_i x_i)`` for i = 1 … n (Fleder & Hosanagar 2009; Shani &
    Gunawardana 2011, section 3.3, there over n - 1).

    Args:
        shown: (n_items,) from :func:`exposure`, items never shown included.

    Returns:
        0 … 1 - 1 / n_items; NaN where nothing is shown.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    ascending = np.sort(shown.astype(np.float64))
    n, total = len(ascending), float(ascending.sum())
    if total == 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * total))


def intra_list_diversity(recommended: Lists, descriptions: FloatArray, k: int) -> FloatArray:
    """How different the items of a list are: the mean of 1 - cosine over its pairs (Ziegler et al. 2005, there as the
    sum of similarities; Castells, Hurley & Vargas 2015, eq. 8.5).

    Args:
        recommended: (n_users, m) lists.
        descriptions: (n_items, d) e.g. 0 and 1 by genre. Items with nothing but zeros are compared with no other.
        k: Places that count, at least 1.

    Returns:
        (n_users,) 0 … 1 for descriptions >= 0; NaN for lists with fewer than two items described.

    Raises:
        ValueError: k < 1, or an item index lies outside the descriptions.

    >>> genres = np.array([[1, 0], [1, 0], [0, 1]])
    >>> intra_list_diversity(np.array([[0, 1], [0, 2], [1, -1]]), genres, k=2).tolist()
    [0.0, 1.0, nan]
    """
    lists = _first(recommended, len(descriptions), k)
    length = np.linalg.norm(descriptions, axis=1, keepdims=True)
    known = length > 0
    directions = np.divide(descriptions, length, out=np.zeros(descriptions.shape), where=known)
    counted = _membership(lists, len(descriptions))
    n = counted @ known[:, 0].astype(np.float64)
    # The squared length of the sum of n directions is n plus twice the sum of their cosines.
    cosines = (np.square(counted @ directions).sum(axis=1) - n) / 2
    pairs = n * (n - 1) / 2
    return 1.0 - _ratio(cosines, pairs)


def novelty(recommended: Lists, popularity: npt.NDArray[np.number[Any]], n_users: int, k: int) -> FloatArray:
    """How little known a list is: the mean of ``-log2(share of users who rated the item)`` in bits (Zhou et al. 2010,
    PNAS 107:4511-4515, self-information).

    Args:
        recommended: (n lists, m) lists.
        popularity: (n_items,) number of training users of each item. An item without any counts as if one had rated
            it: the least that can be told from so many users.
        n_users: Training users.
        k: Places that count, at least 1.

    Returns:
        (n lists,) 0 … log2(n_users); NaN for empty lists.

    Raises:
        ValueError: k < 1, or an item index lies outside the catalogue.

    >>> novelty(np.array([[0, 1], [2, -1]]), np.array([8, 4, 0]), n_users=8, k=2).tolist()
    [0.5, 3.0]
    """
    share = np.maximum(popularity, 1) / max(n_users, 1)
    return _mean_of_lists(recommended, -np.log2(share), k)


def average_popularity(recommended: Lists, popularity: npt.NDArray[np.number[Any]], n_users: int, k: int) -> FloatArray:
    """How popular a list is: the mean share of training users who rated its items (ARP of Yin et al. 2012 and
    Abdollahpouri, Burke & Mobasher 2019, eq. 3, there as counts).

    Arguments, errors and empty lists as in :func:`novelty`; 0 … 1.

    >>> average_popularity(np.array([[0, 1], [2, -1]]), np.array([8, 4, 0]), n_users=8, k=2).tolist()
    [0.75, 0.0]
    """
    return _mean_of_lists(recommended, popularity.astype(np.float64) / max(n_users, 1), k)


def profile_popularity(
    history: sparse.csr_array[Any, Any], popularity: npt.NDArray[np.number[Any]], n_users: int
) -> FloatArray:
    """How popular what each user rated is, in the same measure as :func:`average_popularity`.

    Args:
        history: (n, n_items) nonzero where the user rated the item in training.
        popularity: (n_items,) number of training users of each item.
        n_users: Training users.

    Returns:
        (n,) 0 … 1; NaN for users without history.
    """
    rated: FloatArray = np.diff(history.indptr).astype(np.float64)
    user = np.repeat(np.arange(len(rated)), np.diff(history.indptr))
    share = popularity.astype(np.float64) / max(n_users, 1)
    return _ratio(np.bincount(user, share[history.indices], minlength=len(rated)).astype(np.float64), rated)


def popularity_lift(recommended: FloatArray, profile: FloatArray) -> float:
    """How much more popular lists are than what the same users rated: ``(G_r - G_p) / G_p`` with G the mean over users
    (Abdollahpouri et al. 2020, "The connection between popularity bias, calibration, and fairness in recommendation",
    eq. 3). 0: as popular; 1: twice as popular; below 0: less popular.

    Args:
        recommended: (n_users,) from :func:`average_popularity`.
        profile: (n_users,) from :func:`profile_popularity`. A user who is NaN in either is left out.

    Returns:
        NaN where no user has both.

    >>> popularity_lift(np.array([.4, .2, np.nan]), np.array([.2, .1, .3]))
    1.0
    """
    both = ~np.isnan(recommended) & ~np.isnan(profile)
    expected = float(profile[both].sum())
    return (float(recommended[both].sum()) - expected) / expected if expected > 0 else float("nan")


def serendipity(hits: npt.NDArray[np.bool_], expected: npt.NDArray[np.bool_]) -> FloatArray:
    """Share of a list's k places with an item that is relevant and unexpected (Ge, Delgado-Battenfeld & Jannach 2010,
    RecSys, section 3.2: useful items among those that a primitive model would not have recommended, over all).

    Args:
        hits: (n_users, k) True where the item at that place is relevant.
        expected: (n_users, k) True where a primitive model recommends it too; see :func:`popular_anyway`.

    Returns:
        (n_users,) 0 … 1, the precision less what popularity finds.

    Raises:
        ValueError: The shapes differ.

    >>> serendipity(np.array([[True, True, False]]), np.array([[True, False, False]])).round(4).tolist()
    [0.3333]
    """
    if hits.shape != expected.shape:
        raise ValueError(f"hits has shape {hits.shape}, expected {expected.shape}; both must be (n_users, k)")
    share: FloatArray = np.mean(hits & ~expected, axis=1)
    return share


def popular_anyway(
    recommended: Lists, popularity: npt.NDArray[np.number[Any]], history: sparse.csr_array[Any, Any], k: int
) -> npt.NDArray[np.bool_]:
    """Which items of a list are among the k most popular that the user has not rated.

    Args:
        recommended: (n_users, m) lists.
        popularity: (n_items,) number of training users of each item; equal ones rank by item index.
        history: (n_users, n_items) nonzero where the user rated the item in training, without duplicates.
        k: Length of the popular lists, and places that count.

    Returns:
        (n_users, k) bool; False where a list has no item.

    Raises:
        ValueError: k < 1, or an item index lies outside the catalogue.
    """
    n_items = len(popularity)
    lists = _first(recommended, n_items, k)
    place = np.empty(n_items, np.int64)
    place[np.argsort(-popularity.astype(np.float64), kind="stable")] = np.arange(n_items)
    # Of each user's own list of popular items, an item's place is that among all less those she has rated before it.
    row_start = np.arange(len(lists), dtype=np.int64) * n_items
    rated = np.sort(np.repeat(row_start, np.diff(history.indptr)) + place[history.indices])
    listed = place[lists] if n_items else np.zeros(lists.shape, np.int64)
    before = np.searchsorted(rated, row_start[:, np.newaxis] + listed) - history.indptr[:-1, np.newaxis]
    found = np.zeros((len(lists), k), np.bool_)
    found[:, : lists.shape[1]] = (listed - before < k) & (lists != PADDING)
    return found


def _first(recommended: Lists, n_items: int, k: int) -> IntArray:
    """The first k columns; refused where they hold what is no item."""
    if k < 1:
        raise ValueError(f"k == {k}, must be >= 1")
    lists = recommended[:, :k].astype(np.int64)
    shown = lists[lists != PADDING]
    if shown.size and (shown.min() < 0 or shown.max() >= n_items):
        raise ValueError(f"recommended holds item indexes {shown.min()} … {shown.max()}, must be 0 … {n_items - 1}")
    return lists


def _membership(lists: IntArray, n_items: int) -> sparse.csr_array[Any, Any]:
    """(n_users, n_items) float64, 1 where an item is in a list."""
    filled = lists != PADDING
    indptr = np.append(0, np.cumsum(filled.sum(axis=1)))
    items = lists[filled]
    return sparse.csr_array((np.ones(len(items)), items, indptr), shape=(len(lists), n_items))


def _mean_of_lists(recommended: Lists, value: FloatArray, k: int) -> FloatArray:
    """(n_users,) mean of the items' values; NaN for empty lists."""
    counted = _membership(_first(recommended, len(value), k), len(value))
    n = np.diff(counted.indptr).astype(np.float64)
    return _ratio(counted @ value, n)


def _ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """NaN where there is nothing to divide by."""
    found: FloatArray = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return found
