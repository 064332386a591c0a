"""What a ranker learns from: candidates as they are retrieved when serving, labelled by ratings nothing else saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from core.interactions import Interactions, to_csr
from evaluation.splits import random_per_user
from feature_repo.catalogue import filled
from feature_repo.matrices import FeatureMatrices, features_as_of
from wrappers.asked import Asked
from wrappers.blocks import row_blocks
from wrappers.own_tags import without_foreign_tags
from wrappers.ranking_columns import ranking_columns
from wrappers.recommender import Recommendations, RecommenderWrapper
from wrappers.top_k import PADDING


class Division(NamedTuple):
    """Ratings in two parts.

    Attributes:
        past: What retriever and features may know.
        held_out: What labels the candidates.
    """

    past: Interactions
    held_out: Interactions


class TrainingRows(NamedTuple):
    """Candidates of one user after the other, best first by the retriever.

    Attributes:
        columns: (n_rows, n_columns) float32, see ``wrappers.ranking_columns.column_names``.
        positive: (n_rows,) bool, True where the user liked the item, by the ratings held out.
        per_user: (n_users,) int64 rows of each user, in order; their sum is n_rows.
        typical_scores: (n_candidates,) float32 mean score of the retriever at each place of its list; 0 where no list
            is that long.
    """

    columns: npt.NDArray[np.float32]
    positive: npt.NDArray[np.bool_]
    per_user: npt.NDArray[np.int64]
    typical_scores: npt.NDArray[np.float32]

    @property
    def tell_apart(self) -> bool:
        """Whether there are positive and negative rows: else nothing can be learned from them."""
        return bool(self.positive.any() and not self.positive.all())


def divide(interactions: Interactions, share: float, seed: int) -> Division:
    """Hold out a random share of each user's ratings, rounded down, and the tags that would tell of them."""
    split = random_per_user(interactions.ratings["user_id"].to_numpy(), share, seed)
    return Division(without_foreign_tags(interactions.take(split.train)), interactions.take(split.test))


def training_rows(
    division: Division,
    retriever: RecommenderWrapper,
    *,
    n_candidates: int,
    liked_rating: float,
    max_rows: int,
    seed: int,
    features_of: Callable[[Interactions], FeatureMatrices] = features_as_of,
) -> TrainingRows:
    """Retrieve candidates from the past, describe them by the past, and label them by what was held out.

    Args:
        division: The ratings.
        retriever: Not trained yet; learns from the past.
        n_candidates: Items retrieved for each user with a liked rating among those held out.
        liked_rating: A held-out rating of at least this makes a candidate positive; all others are negative.
        max_rows: About how many rows to make at most; beyond it users are left out at random.
        seed: Of the users left out.
        features_of: Computes features; other than ``features_as_of`` where a test plants a leak.
    """
    retriever.fit(division.past)
    features = features_of(division.past)
    rated = division.held_out.ratings
    liked = to_csr(rated[rated["rating"] >= liked_rating], features.users, features.items)
    users = np.flatnonzero(np.diff(liked.indptr))
    if len(users) * n_candidates > max_rows:
        n_kept = max(1, max_rows // n_candidates)
        users = np.sort(np.random.default_rng(seed).choice(users, n_kept, replace=False))
    found = _retrieved(retriever, users, n_candidates)
    users, item, scores = users[~found.cold], found.item_index[~found.cold], found.scores[~found.cold]
    columns = ranking_columns(
        features.layout,
        filled(features.user, features.layout.user_defaults)[users],
        filled(features.item, features.layout.item_defaults),
        item,
        scores,
    )
    present = item != PADDING
    positive = np.zeros(item.shape, np.bool_)
    positive[present] = _holds(liked, np.broadcast_to(users[:, np.newaxis], item.shape)[present], item[present])
    return TrainingRows(columns[present], positive[present], present.sum(axis=1), _mean_by_place(scores))


def _retrieved(retriever: RecommenderWrapper, users: npt.NDArray[np.int64], n_candidates: int) -> Recommendations:
    nothing = np.empty(0, np.int64)
    asked = Asked(users, n_candidates, True, nothing, nothing)
    blocks = row_blocks(len(users), len(retriever.known.items))
    return Recommendations.joined([retriever.best(asked.part(start, stop)) for start, stop in blocks], n_candidates)


def _holds(
    matrix: sparse.csr_array[Any, Any], row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """(m,) bool, True where the sparse matrix stores something at (row, column)."""
    stored_row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    stored = stored_row * matrix.shape[1] + matrix.indices
    return np.isin(row * matrix.shape[1] + column, stored)


def _mean_by_place(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    n = np.count_nonzero(~np.isnan(scores), axis=0)
    total: npt.NDArray[np.float64] = np.nansum(scores, axis=0, dtype=np.float64)
    return (total / np.maximum(n, 1)).astype(np.float32)
