"""Nearest neighbours among items in time: who rated this rated that right before or after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import sparse

from core.interactions import Interactions, to_csr
from evaluation.ranks import rank_within
from wrappers.neighbours import csr_parts, nan_where_empty, square_of_parts
from wrappers.padded_rows import padded_rows
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.search_space import Numbers
from wrappers.top_k import stored, top_k


class SequenceKNNConfig(RecommenderConfig):
    """Hyperparameters, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    window: int = Field(20, ge=1, le=1000)
    """How many ratings apart two of a user's may be to count as near."""
    shrinkage: float = Field(5.0, ge=0)
    """Added to each item's number of users, so that rare items are not taken for twins."""
    neighbours: int = Field(200, ge=1)
    """Near items kept for each item."""
    recency: float = Field(0.0, ge=0)
    """How much more what the user rated of late counts: the n-th rating from the end counts n^-recency."""


class SequenceKNN(RecommenderWrapper):
    """Neighbours among items by the order of ratings: what is rated in one sitting belongs together more than what
    the same person rated years apart.

    Co-visitation counts as item-to-item recommenders use them (Linden, Smith & York 2003), with nearness in a user's
    order of ratings in place of mere co-occurrence:

        near(i, j) = sum over users and their ratings of i and j, d places apart, of 1 / d      for 1 <= d <= window
        sim(i, j)  = near(i, j) / sqrt((n_i + shrinkage) (n_j + shrinkage))
        score(u, j) = sum over the items i that u rated of (place of i from the end)^-recency sim(i, j)

    with n_i the number of users of item i. Ratings of one second stand in order of ``item_index``. An item that stood
    near none of what the user rated cannot be scored.
    """

    name = "sequence_knn"
    needs_details = True
    search_space = {
        "window": Numbers(2, 50, log=True, whole=True),
        "shrinkage": Numbers(0.0, 50.0),
        "recency": Numbers(0.0, 2.0),
    }
    Config = SequenceKNNConfig

    _similarity: sparse.csr_array[Any, Any]
    #: ``history`` with the weight of each rating in place of 1.
    _weighted: sparse.csr_array[Any, Any]

    def _fit_details(self, interactions: Interactions) -> None:
        ratings = interactions.ratings
        user = self.known.users.index_of(ratings["user_id"].to_numpy())
        item = self.known.items.index_of(ratings["item_id"].to_numpy())
        order = np.lexsort((item, ratings["timestamp"].to_numpy(), user))
        self._similarity = self._similarities(user[order], item[order])
        self._weighted = self._with_weights(ratings, user, order)

    def _similarities(self, user: npt.NDArray[np.int64], item: npt.NDArray[np.int64]) -> sparse.csr_array[Any, Any]:
        """(n_items, n_items) from ratings in order of user and time; a row's neighbours are the items it speaks for."""
        n_items = len(self.known.items)
        near = sparse.csr_array((n_items, n_items), dtype=np.float32)
        for distance in range(1, min(self.config.window, len(user) - 1) + 1):
            same = user[distance:] == user[:-distance]
            pair = (item[:-distance][same], item[distance:][same])
            weight = np.full(len(pair[0]), 1.0 / distance, np.float32)
            near = near + sparse.csr_array((weight, pair), shape=near.shape)
        scale = sparse.diags_array(1.0 / np.sqrt(np.maximum(self.known.popularity + self.config.shrinkage, 1.0)))
        return self._nearest((scale @ (near + near.T) @ scale).tocsr())

    def _nearest(self, similarity: sparse.csr_array[Any, Any]) -> sparse.csr_array[Any, Any]:
        """Each item's nearest others, stored from rated item to scored item."""
        similarity.sort_indices()
        parts = [(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))]
        for target, source, strength in padded_rows(similarity):
            if source.shape[1]:
                strength[source == target[:, np.newaxis]] = 0.0
                place, best = top_k(strength, self.config.neighbours)
                row, kept = np.nonzero(best > 0)
                parts.append((best[row, kept], source[row, place[row, kept]], target[row]))
        best, source, target = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sparse.csr_array((best, (source, target)), shape=similarity.shape)

    def _with_weights(
        self, ratings: pd.DataFrame, user: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
    ) -> sparse.csr_array[Any, Any]:
        place = np.empty(len(order))
        place[order] = np.arange(len(order))
        of_user = rank_within(user, place)
        weights = (of_user.size - of_user.rank).astype(np.float32) ** np.float32(-self.config.recency)
        return to_csr(ratings.assign(rating=weights), self.known.users, self.known.items, binary=False)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 sums of similarities. See :meth:`RecommenderWrapper.score`."""
        return nan_where_empty(self._weighted[user_index] @ self._similarity)

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The summands of each score: weighted similarities of what the user rated. See the base."""
        weighted = self._weighted
        _, rated = stored(weighted.indptr, weighted.indices, np.array([user_index]))
        weights = weighted.data[weighted.indptr[user_index] : weighted.indptr[user_index + 1]]
        return rated, self._similarity[rated][:, item_index].toarray().T * weights

    def state(self) -> Arrays:
        """The similarity matrix in CSR parts, and the weight of each rating in ``history``'s order."""
        return {**csr_parts(self._similarity), "weights": self._weighted.data}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back similarities and weights."""
        history = self.known.history
        self._similarity = square_of_parts(state, len(self.known.items))
        self._weighted = sparse.csr_array((state["weights"], history.indices, history.indptr), shape=history.shape)
        self._weighted.check_format(full_check=True)
