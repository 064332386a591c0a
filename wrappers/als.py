"""Implicit matrix factorisation by alternating least squares, as `implicit` computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from wrappers.factors import FactorRecommender, smoother
from wrappers.retrieval.config import RetrievalConfig
from wrappers.search_space import Choices, Numbers


class ALSConfig(RetrievalConfig):
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


class ALS(FactorRecommender):
    """Matrix factorisation: describes users and items by a few numbers whose products rebuild who rated what.

    Minimises (Hu, Koren & Volinsky 2008, eq. 3) over user factors x and item factors y

        sum over all u, i of c_ui (p_ui - x_u' y_i)^2 + reg (sum |x_u|^2 + sum |y_i|^2)

    with p = 1, c = confidence where u rated i, and p = 0, c = 1 elsewhere. Fitted by ``implicit``, conjugate gradients
    within each alternation; scores x_u' y_i are numpy's.
    """

    name = "als"
    Config = ALSConfig
    search_space = {
        "embedding_size": Choices((16, 32, 64, 128)),
        "reg": Numbers(1, 200, log=True),
        "confidence": Numbers(1, 30, log=True),
    }

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

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """What each rated item does for each score if the user's factors are solved anew for the items' (eq. 7). See
        :meth:`RecommenderWrapper.contributions`.

        They sum to the score but for what the last alternation, which ends with the items, left unsolved.
        """
        rated, items, confidence = self._rated(user_index), self._item_factors, self.config.confidence
        normal = self._gram() + (confidence - 1.0) * items[rated].T @ items[rated]
        normal += self.config.reg * np.eye(items.shape[1], dtype=np.float32)
        return rated, smoother(normal, confidence * items[rated], items[item_index])
