"""One held-out item ranked among negatives, as the NCF paper does it (He et al. 2017, section 4.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.ids import UNKNOWN
from wrappers.blocks import row_blocks
from wrappers.recommender import RecommenderWrapper


class RankedAmongNegatives(NamedTuple):
    """Who is judged, by what.

    Attributes:
        user_id: (n,) int64, each once.
        item_id: (n,) int64 the held-out item.
        negatives: (n, m) int64 items that the user did not rate.
    """

    user_id: npt.NDArray[np.int64]
    item_id: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]


def rank_among_negatives(recommender: RecommenderWrapper, ranked: RankedAmongNegatives) -> npt.NDArray[np.int64]:
    """How many negatives stand above the held-out item; ties lose.

    Args:
        recommender: Trained on ratings without the held-out pairs.
        ranked: The pairs.

    Returns:
        (n,) int64, 0 is best. An item that the model does not know or cannot score stands below all that it can; a
        held-out one of that kind comes last.
    """
    items = np.column_stack([ranked.item_id, ranked.negatives])
    column = recommender.known.items.index_of(items.ravel()).reshape(items.shape)
    user = recommender.known.users.index_of(ranked.user_id)
    above = np.empty(len(user), np.int64)
    for start, stop in row_blocks(len(user), len(recommender.known.items)):
        scores, _ = recommender.scores_or_popularity(user[start:stop])
        of_pair = np.take_along_axis(scores, np.maximum(column[start:stop], 0), axis=1)
        of_pair[(column[start:stop] == UNKNOWN) | np.isnan(of_pair)] = -np.inf
        above[start:stop] = (of_pair[:, 1:] >= of_pair[:, :1]).sum(axis=1)
    return above


def hit_rate_and_ndcg(above: npt.NDArray[np.int64], k: int) -> dict[str, npt.NDArray[np.float64]]:
    """Whether the held-out item is among the k best, and its discounted gain.

    Args:
        above: (n,) int64 negatives above it.
        k: Length of the list, at least 1.

    Returns:
        ``hr@k`` and ``ndcg@k``, (n,) float64 each: 1 / log2(place + 1) for place = above + 1 <= k, else 0.
    """
    hit = above < k
    return {f"hr@{k}": hit.astype(np.float64), f"ndcg@{k}": np.where(hit, 1 / np.log2(above + 2.0), 0.0)}
