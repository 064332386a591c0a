"""Lists of everything a user has not seen, judged by what was held out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import DataError
from core.interactions import Interactions, to_csr
from evaluation.ranking import METRICS, evaluate_ranking
from wrappers.protocols.protocol import Figures
from wrappers.recommender import RecommenderWrapper


def judge_lists(
    recommender: RecommenderWrapper,
    test: Interactions,
    *,
    k: int = 10,
    relevant_rating: float = 0.0,
    masked: Interactions | None = None,
) -> Figures:
    """The ranking metrics of every test user.

    Args:
        recommender: Trained; what a user rated in its training part is not recommended.
        test: Held-out ratings.
        k: Length of a list.
        relevant_rating: A held-out rating of at least this is relevant; 0: every one.
        masked: Further ratings that are neither learned from nor recommended (a validation part).

    Returns:
        ``ndcg@k`` … to (n_users,) float64, users ascending, NaN for users with nothing relevant.

    Raises:
        DataError: No held-out rating is relevant.
    """
    liked = test.ratings[test.ratings["rating"] >= relevant_rating]
    if len(liked) == 0:
        raise DataError(f"none of the {len(test)} held-out ratings is at least {relevant_rating}; nothing to judge by")
    users = test.user_index()
    truth = to_csr(liked, users, recommender.known.items.with_new(liked["item_id"].to_numpy()))
    exclude = None if masked is None else items_of_users(masked.ratings, users.ids)
    found = recommender.recommend(users.ids, k, exclude=exclude)
    per_user = evaluate_ranking(found.item_index, truth, k)
    return {f"{metric}@{k}": per_user[metric] for metric in METRICS}


def items_of_users(ratings: pd.DataFrame, user_ids: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Each user's item ids, in the order of the users; empty for a user without ratings."""
    ordered = ratings.sort_values("user_id", kind="stable")
    of_user, items = ordered["user_id"].to_numpy(), ordered["item_id"].to_numpy()
    starts, stops = (np.searchsorted(of_user, user_ids, side=side) for side in ("left", "right"))
    return [items[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
