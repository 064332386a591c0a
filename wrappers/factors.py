"""What every matrix factorisation shares: numbers that describe users and items, whose products are the scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.top_k import stored


class FactorRecommender(RecommenderWrapper):
    """Scores are products of user and item factors. Subclasses learn both, ``embedding_size`` wide, in ``_fit``."""

    _user_factors: npt.NDArray[np.float32]
    _item_factors: npt.NDArray[np.float32]

    @abstractmethod
    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        """Learn both; see the base."""

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 products of factors. See :meth:`RecommenderWrapper.score`."""
        # One product per user, in C: a single one of all would round differently with the number of users.
        return (self._user_factors[user_index, np.newaxis] @ self._item_factors.T)[:, 0]

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Cosines of item factors: which of what the user rated is like each item. See the base.

        Subclasses whose scores are sums over what the user rated give the summands.
        """
        rated = self._rated(user_index)
        factors = self._item_factors[:, : self.config.embedding_size]
        unit = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rated, unit[item_index] @ unit[rated].T

    def state(self) -> Arrays:
        """``user_factors`` (n_users, width) and ``item_factors`` (n_items, width)."""
        return {"user_factors": self._user_factors, "item_factors": self._item_factors}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the factors."""
        users, items = state["user_factors"], state["item_factors"]
        expected = tuple((n, self._width()) for n in self.known.history.shape)
        if (users.shape, items.shape) != expected:
            raise ValueError(f"factors have shapes {users.shape} and {items.shape}, must have {expected}")
        self._user_factors, self._item_factors = users, items

    def _width(self) -> int:
        """Numbers per user and item."""
        width: int = self.config.embedding_size
        return width

    def _rated(self, user_index: int) -> npt.NDArray[np.int64]:
        """(h,) items of a user's history."""
        _, rated = stored(self.known.history.indptr, self.known.history.indices, np.array([user_index]))
        return rated


def smoother(
    normal: npt.NDArray[np.floating[Any]],
    rated: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """How much each rated item did for each wanted one where a user's factors solve a ridge regression on the items'.

    With A the matrix of the user's normal equations, x = A^-1 (sum of y_i over what the user rated) up to a weight, so
    that a score y_j' x is a sum over the rated items (Hu, Koren & Volinsky 2008, section 5):

        score(j) = sum of y_j' A^-1 y_i

    Args:
        normal: (d, d) A, positive definite.
        rated: (h, d) factors of the items rated, times their weight.
        wanted: (m, d) factors of the items wanted.

    Returns:
        (m, h) float32 summands.
    """
    summands: npt.NDArray[np.float32] = (wanted @ np.linalg.solve(normal, rated.T)).astype(np.float32)
    return summands
