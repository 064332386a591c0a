"""Implicit matrix factorisation by alternating least squares, as `implicit` computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig


class ALSConfig(RecommenderConfig):
    """Hyperparameters of ALS, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    embedding_size: int = Field(32, ge=1)
    """Numbers that describe a user, and an item."""
    reg: float = Field(30.0, gt=0)
    """Ridge penalty on both: more smooths more."""
    confidence: float = Field(5.0, gt=0)
    """Weight of a rating against 1 for each absence; alpha in the paper, where it is added to 1."""
    epochs: int = Field(15, ge=1)
    """Alternations between users and items."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the factors to begin with."""
    threads: int = Field(2, ge=1)
    """Processor cores to train on; the result does not depend on them."""


class ALS(RecommenderWrapper):
    """Matrix factorisation: describes users and items by a few numbers whose products rebuild who rated what.

    Minimises (Hu, Koren & Volinsky 2008, eq. 3) over user factors x and item factors y

        sum over all u, i of c_ui (p_ui - x_u' y_i)^2 + reg (sum |x_u|^2 + sum |y_i|^2)

    with p = 1, c = confidence where u rated i, and p = 0, c = 1 elsewhere. Fitted by ``implicit``, conjugate gradients
    within each alternation; scores x_u' y_i are numpy's.
    """

    name = "als"
    Config = ALSConfig

    _user_factors: npt.NDArray[np.float32]
    _item_factors: npt.NDArray[np.float32]

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        # It runs threads of its own: those of BLAS inside them make it many times slower, of which it warns.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.config.embedding_size,
                regularization=self.config.reg,
                alpha=self.config.confidence,
                iterations=self.config.epochs,
                num_threads=self.config.threads,
                random_state=self.config.seed,
            )
            model.fit(sparse.csr_matrix(history), show_progress=False)
        self._user_factors, self._item_factors = model.user_factors, model.item_factors

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 products of factors. See :meth:`RecommenderWrapper.score`."""
        # One product per user, in C: a single one of all would round differently with the number of users.
        return (self._user_factors[user_index, np.newaxis] @ self._item_factors.T)[:, 0]

    def state(self) -> Arrays:
        """``user_factors`` (n_users, embedding_size) and ``item_factors`` (n_items, embedding_size)."""
        return {"user_factors": self._user_factors, "item_factors": self._item_factors}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the factors."""
        users, items = state["user_factors"], state["item_factors"]
        expected = tuple((n, self.config.embedding_size) for n in self.known.history.shape)
        if (users.shape, items.shape) != expected:
            raise ValueError(f"factors have shapes {users.shape} and {items.shape}, must have {expected}")
        self._user_factors, self._item_factors = users, items
