"""A recommender judged on items that nobody rated in training: how it ranks them among themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions, to_csr
from evaluation.cold_items import auc_per_user
from evaluation.ranking import evaluate_ranking
from wrappers.base import EvaluationConfig
from wrappers.blocks import row_blocks
from wrappers.recommender import RecommenderWrapper
from wrappers.top_k import top_k


def evaluate_new_items(
    recommender: RecommenderWrapper, held_out: Interactions, config: EvaluationConfig
) -> dict[str, npt.NDArray[np.float64]]:
    """Rank the new items alone, for every user of the training part, and compare with what she liked of them.

    In lists of everything, known items crowd new ones out, and a figure would tell of those.

    Args:
        recommender: Trained without any rating of the items; they stood in its item table.
        held_out: Ratings of the new items (``evaluation.cold_items.hold_out_items``).
        config: List length, and the rating from which one is relevant.

    Returns:
        ``auc`` and each of ``evaluation.ranking.METRICS`` to (n_users,) float64 in the order of ``known.users``; NaN
        for users who liked none of the new items. Chance is an AUC of .5.

    Raises:
        ConfigError: The model knows some of the items by ratings, or not at all.
        DataError: No held-out rating of a known user is relevant.
    """
    known, ids = recommender.known, np.unique(held_out.ratings["item_id"].to_numpy())
    index = known.items.index_of(ids)
    if (index == UNKNOWN).any() or known.popularity[index].any():
        wrong = ids[(index == UNKNOWN) | (known.popularity[index] > 0)][0]
        raise ConfigError(
            f"{recommender.name}: item {wrong} is no new item to it, that it knows by its description alone; hold out "
            "whole items, and take a model that recommends unrated ones, e.g. 'content'"
        )
    liked = held_out.ratings[held_out.ratings["rating"] >= config.relevant_rating]
    truth = to_csr(liked, known.users, IdIndex(known.items.ids[index]))
    if truth.nnz == 0:
        raise DataError(f"no held-out rating is at least relevant_rating == {config.relevant_rating}; lower it")
    blocks = row_blocks(len(known.users), len(known.items))
    scores = np.concatenate([recommender.score(np.arange(start, stop))[:, index] for start, stop in blocks])
    found, _ = top_k(scores, config.k)
    return {"auc": auc_per_user(scores, truth), **evaluate_ranking(found, truth, config.k)}
