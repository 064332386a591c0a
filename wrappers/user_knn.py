"""User-based nearest neighbours: people who rated what you rated also rated that."""

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


class UserKNNConfig(RecommenderConfig):
    """Hyperparameters of user-kNN, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    neighbours: int = Field(100, ge=1)
    """Similar users kept for each user."""
    shrinkage: float = Field(20.0, ge=0)
    """Added to the cosine's denominator, so that two users with a handful of items in common are not taken for
    twins."""


class UserKNN(RecommenderWrapper):
    """Nearest neighbours among users: recommends what the people most like you rated.

    Cosine similarity over the items that both rated, shrunk (Herlocker et al. 1999; Koren 2010):

        sim(u, v) = n_uv / (sqrt(n_u n_v) + shrinkage)
        score(u, j) = sum of sim(u, v) over u's neighbours v that rated j

    with n_u the number of items of user u, n_uv of both. An item that no neighbour rated cannot be scored.
    """

    name = "user_knn"
    Config = UserKNNConfig
    search_space = {"neighbours": Numbers(5, 500, log=True, whole=True), "shrinkage": Numbers(0, 300)}

    #: In row u the similarities of u's neighbours.
    _similarity: sparse.csr_array[Any, Any]

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        self._similarity = nearest(history, self.config.neighbours, self.config.shrinkage)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 sums of similarities. See :meth:`RecommenderWrapper.score`."""
        return nan_where_empty(self._similarity[user_index] @ self.known.history)

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """An exact division of each score among what the user rated. See :meth:`RecommenderWrapper.contributions`.

        A similarity is itself a sum, one equal part for each of the n_uv items in common; so what the user rated did
        for item j the sum of sim(u, v) / n_uv over the neighbours v that rated both.
        """
        _, rated = stored(self.known.history.indptr, self.known.history.indices, np.array([user_index]))
        _, neighbour = stored(self._similarity.indptr, self._similarity.indices, np.array([user_index]))
        theirs = self.known.history[neighbour]
        in_common = theirs[:, rated]
        part = self._similarity[[user_index]].data / in_common.sum(axis=1)
        return rated, (theirs[:, item_index].multiply(part[:, np.newaxis]).T @ in_common).toarray().astype(np.float32)

    def state(self) -> Arrays:
        """The similarity matrix in CSR parts."""
        return csr_parts(self._similarity)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the similarity matrix."""
        self._similarity = square_of_parts(state, len(self.known.users))
