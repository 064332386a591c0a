"""Item-based nearest neighbours: people who rated this also rated that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from wrappers.neighbours import csr_parts, nan_where_empty, nearest, square_of_parts
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.search_space import Numbers
from wrappers.top_k import stored


class ItemKNNConfig(RecommenderConfig):
    """Hyperparameters of item-kNN, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    neighbours: int = Field(50, ge=1)
    """Similar items kept for each item."""
    shrinkage: float = Field(50.0, ge=0)
    """Added to the cosine's denominator, so that two items rated together by a handful of people are not taken
    for twins."""


class ItemKNN(RecommenderWrapper):
    """Nearest neighbours among items: recommends what people rated who rated the same things.

    Cosine similarity over the users who rated both, shrunk (Deshpande & Karypis 2004; Koren 2010):

        sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage)
        score(u, j) = sum of sim(i, j) over the items i that u rated and that are among j's neighbours

    with n_i the number of users of item i, n_ij of both. An item none of whose neighbours the user rated cannot be
    scored.
    """

    name = "item_knn"
    search_space = {"neighbours": Numbers(5, 500, log=True, whole=True), "shrinkage": Numbers(0, 300)}
    Config = ItemKNNConfig

    _similarity: sparse.csr_array[Any, Any]

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        similar = nearest(history.T.tocsr(), self.config.neighbours, self.config.shrinkage)
        # Stored from rated item to scored item, so that scoring is one sparse product.
        self._similarity = similar.T.tocsr()

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 sums of similarities. See :meth:`RecommenderWrapper.score`."""
        return nan_where_empty(self.known.history[user_index] @ self._similarity)

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The summands of each score: similarities of what the user rated. See the base."""
        _, rated = stored(self.known.history.indptr, self.known.history.indices, np.array([user_index]))
        return rated, self._similarity[rated][:, item_index].toarray().T

    def state(self) -> Arrays:
        """The similarity matrix in CSR parts."""
        return csr_parts(self._similarity)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the similarity matrix."""
        self._similarity = square_of_parts(state, len(self.known.items))
