"""What a list is like beyond being right: items that differ, no genre everywhere, places for new items.

A list is filled place by place, each with the item of the highest

    (1 - diversity) x relevance - diversity x (similarity to the most similar item listed already)

(maximal marginal relevance, Carbonell & Goldstein 1998), where relevance is the model's score between the lowest (0)
and the highest (1) of the ``depth`` best, and similarity the Jaccard index of genres; items without a genre count as
alike. An item is passed over while one of its genres has its share of the places, as long as any item is left of which
that is not true. It is greedy: where items have several genres, another choice early on might have kept the share for
longer. The last places go to new items; where a user has none left, to others.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wrappers.blocks import row_blocks
from wrappers.recommender_config import RecommenderConfig
from wrappers.top_k import PADDING, top_k

#: A list is chosen from this many times its length …
_DEPTH_PER_PLACE = 5
#: … and from no fewer items than this.
_MIN_DEPTH = 100


class ItemTraits(NamedTuple):
    """What is looked at beside scores.

    Attributes:
        genres: (n_items, n_genres) uint8, 1 where the item is of the genre.
        is_new: (n_items,) bool, True for what an exploration slot is for.
    """

    genres: npt.NDArray[np.uint8]
    is_new: npt.NDArray[np.bool_]


def depth_of(k: int) -> int:
    """How many of a user's best items a list of k is chosen from."""
    return max(_DEPTH_PER_PLACE * k, _MIN_DEPTH)


def shaped_lists(
    scores: npt.NDArray[np.float32],
    item_index: npt.NDArray[np.int64],
    k: int,
    traits: ItemTraits,
    qualities: RecommenderConfig,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Lists with the qualities asked for.

    Args:
        scores: (n, m) float32 of what may be listed for each of n users; NaN is never listed.
        item_index: (n, m) int64, whose scores those are; equal scores rank by column.
        k: Length of a list, at least 1.
        traits: Of all items.
        qualities: ``diversity``, ``max_genre_share``, ``explore_slots``.

    Returns:
        (n, k) int64 items, ``PADDING`` (-1) behind the last where fewer than k can be listed, and (n, k) float32 their
        scores as given, NaN there. A user's list does not depend on the others'.

    >>> traits = ItemTraits(np.array([[1, 0], [1, 0], [0, 1]], np.uint8), np.zeros(3, bool))
    >>> scores, items = np.array([[.9, .8, .1]], np.float32), np.arange(3)[np.newaxis]
    >>> shaped_lists(scores, items, 2, traits, RecommenderConfig(diversity=.5))[0].tolist()
    [[0, 2]]
    """
    n, m = scores.shape
    depth = depth_of(k)
    items, listed = np.full((n, k), PADDING), np.full((n, k), np.nan, np.float32)
    unsettled = np.zeros(n, np.bool_)
    per_item = 1 + traits.genres.shape[1]
    for start, stop in row_blocks(n, min(2 * depth, m) * per_item):
        rows = slice(start, stop)
        pool = _Pool.of(scores[rows], item_index[rows], traits, depth, with_new=qualities.explore_slots > 0)
        items[rows], listed[rows], unsettled[rows] = _filled(pool, k, qualities)
    # Of a few users every near item has a genre whose share is used up: theirs are chosen from all there is.
    again = np.flatnonzero(unsettled)
    for start, stop in row_blocks(len(again), m * per_item):
        those = again[start:stop]
        pool = _Pool.of(scores[those], item_index[those], traits, depth, whole=True)
        items[those], listed[those], _ = _filled(pool, k, qualities)
    return items, listed


def exploration_slots(
    item_index: npt.NDArray[np.int64], k: int, is_new: npt.NDArray[np.bool_], explore_slots: int
) -> npt.NDArray[np.bool_]:
    """(m,) bool, True where an item of a user's list stands in an exploration slot.

    Args:
        item_index: (m,) int64 list of ``shaped_lists``, without padding.
        k: The length asked for.
        is_new: (n_items,) bool.
        explore_slots: As in the configuration.
    """
    return (np.arange(len(item_index)) >= k - explore_slots) & is_new[item_index]


class _Pool(NamedTuple):
    """What n users' lists are chosen from, those with the higher score first."""

    item_index: npt.NDArray[np.int64]
    #: (n, c) float32, NaN = not there.
    scores: npt.NDArray[np.float32]
    #: (n, c) bool: among the ``depth`` best.
    is_near: npt.NDArray[np.bool_]
    is_new: npt.NDArray[np.bool_]
    #: (n, c, n_genres) float32 of zeros and ones, whose sums of products are exact in any order.
    genres: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        scores: npt.NDArray[np.float32],
        item_index: npt.NDArray[np.int64],
        traits: ItemTraits,
        depth: int,
        *,
        with_new: bool = False,
        whole: bool = False,
    ) -> Self:
        """The ``depth`` best of each user, and as many new ones behind them if wanted; or everything."""
        m = scores.shape[1]
        column, best = top_k(scores, m if whole else min(depth, m))
        n_near = min(depth, column.shape[1])
        if with_new and n_near < m:
            new = np.where(traits.is_new[item_index], scores, np.nan)
            # Padding marks the last column. Where there is any, every score is among the best already.
            np.put_along_axis(new, column, np.nan, axis=1)
            more, of_those = top_k(new, min(depth, m))
            column, best = np.hstack([column, more]), np.hstack([best, of_those])
        item = np.take_along_axis(item_index, column, axis=1)
        is_near = np.broadcast_to(np.arange(column.shape[1]) < n_near, column.shape)
        return cls(item, best, is_near, traits.is_new[item], traits.genres[item].astype(np.float32))

    def relevance(self) -> npt.NDArray[np.float32]:
        """(n, c) float32, 0 … 1 for near items, less for those behind them; NaN stays."""
        near = np.where(self.is_near, self.scores, np.nan)
        lowest, highest = np.fmin.reduce(near, axis=1), np.fmax.reduce(near, axis=1)
        spread = np.where(highest > lowest, highest - lowest, 1)
        return (self.scores - lowest[:, np.newaxis]) / spread[:, np.newaxis]

    def similarity_to(self, column: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, c) float32 Jaccard index of each item's genres and those of one (n,) item per user."""
        chosen = self.genres[np.arange(len(column)), column]
        shared = (self.genres @ chosen[:, :, np.newaxis])[:, :, 0]
        either = self.genres.sum(axis=2) + chosen.sum(axis=1)[:, np.newaxis] - shared
        return np.where(either > 0, shared / np.maximum(either, 1), 1)


def _filled(
    pool: _Pool, k: int, qualities: RecommenderConfig
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Items (n, k) and their scores; (n,) bool, True where a near item had to be passed over for a genre's sake."""
    n = len(pool.scores)
    user = np.arange(n)
    most = math.ceil(qualities.max_genre_share * k - 1e-9)
    left = ~np.isnan(pool.scores)
    relevance = pool.relevance()
    likeness = np.zeros_like(relevance)
    per_genre = np.zeros((n, pool.genres.shape[2]), np.float32)
    column = np.full((n, k), PADDING)
    behind = np.full((n, k), 2)
    unsettled = np.zeros(n, np.bool_)
    for place in range(k):
        exploring = place >= k - qualities.explore_slots
        free = left
        if most < k:
            free = left & ((pool.genres @ (per_genre >= most).astype(np.float32)[:, :, np.newaxis])[:, :, 0] == 0)
            wanted = free & (pool.is_new if exploring else pool.is_near)
            unsettled |= left.any(axis=1) & ~wanted.any(axis=1)
        tiers = [free & pool.is_near, free, left]
        value = (1 - qualities.diversity) * relevance - qualities.diversity * likeness
        chosen, found = _best_of([free & pool.is_new, left & pool.is_new, *tiers] if exploring else tiers, value)
        column[found, place] = chosen[found]
        behind[found, place] = (exploring & pool.is_new[user, chosen])[found]
        left[user, chosen] = False
        per_genre += pool.genres[user, chosen]
        if qualities.diversity > 0:
            likeness = np.maximum(likeness, pool.similarity_to(chosen))
    column = np.take_along_axis(column, np.argsort(behind, axis=1, kind="stable"), axis=1)
    there = column != PADDING
    return (
        np.where(there, np.take_along_axis(pool.item_index, column, axis=1), PADDING),
        np.where(there, np.take_along_axis(pool.scores, column, axis=1), np.float32(np.nan)),
        unsettled,
    )


def _best_of(
    tiers: list[npt.NDArray[np.bool_]], value: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Each row's column of the highest value within the first tier that has any, the first among equals.

    Returns:
        (n,) int64 columns, and (n,) bool, False where no tier has any.
    """
    allowed = tiers[-1]
    for tier in reversed(tiers[:-1]):
        allowed = np.where(tier.any(axis=1, keepdims=True), tier, allowed)
    return np.where(allowed, value, -np.inf).argmax(axis=1), allowed.any(axis=1)
