"""EASE: a linear autoencoder over items, solved in closed form (Steck 2019, "Embarrassingly Shallow Autoencoders").

With dropout the denoising one of Steck 2020, EDLAE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from core.errors import ConfigError
from wrappers.blocks import row_blocks
from wrappers.positive_definite import gram_plus_diagonal, invert
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.search_space import Numbers
from wrappers.top_k import stored

#: Below this, rounding in float32 (about 1e-6) makes 1 - x' K x, and with it every score of the item, wrong by 1 %.
_LEAST_DIFFERENCE = 1e-4


class EaseConfig(RecommenderConfig):
    """Hyperparameters of EASE, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    reg: float = Field(300.0, gt=0)
    """Ridge penalty on the item-item weights, in users: more smooths more. 300-500 suits ml-latest-small, which has
    610 users; choose it anew for other data."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of a history that is hidden from the autoencoder while it learns to rebuild all of it (denoising): popular
    items then need more evidence than rare ones. 0: plain EASE."""
    max_memory_gb: float = Field(4.0, gt=0)
    """Size of the one dense matrix that fitting needs, min(n_users, n_items) squared in float32, above which it
    refuses."""


class Ease(RecommenderWrapper):
    """A linear autoencoder over items: from everything a user rated, predicts what else belongs to it.

    Learns weights B with a zero diagonal that rebuild each user's history X_u from itself; scores are X_u B. With
    P = (X'X + D)^-1 (eq. 8 of the paper, where D = reg I):

        B_ij = -P_ij / P_jj for i != j, 0 for i == j

    Learning from histories of which a random share p is hidden comes, averaged over what could be hidden, to a penalty
    that grows with an item's users (Steck 2020, "Autoencoders that don't overfit towards the Identity", section 3):

        D = diag(d), d_j = reg + p / (1 - p) x_j'x_j

    Where users are fewer than items, B (n_items squared: 378 MB at 9,700 items) is never made. By the push-through
    identity X P = K X D^-1 with K = (I + X D^-1 X')^-1, and by Woodbury's d_j P_jj = 1 - x_j' K x_j / d_j, so that

        X_u B = X_u - (K_u X) / (d_j P_jj)

    needs only K, n_users squared, and the training data itself: exact, small, and one sparse product per request.
    """

    name = "ease"
    search_space = {"reg": Numbers(1, 3000, log=True), "dropout": Numbers(0.0, 0.8)}
    Config = EaseConfig

    #: One of the two: B of the primal form, or K and 1 / (d_j P_jj) of the dual form.
    _weights: npt.NDArray[np.float32] | None = None
    _kernel: npt.NDArray[np.float32] | None = None
    _inverse_diagonal: npt.NDArray[np.float32]

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        self._check_memory(min(history.shape))
        self._weights = self._kernel = None
        if history.shape[0] < history.shape[1]:
            self._fit_dual(history)
        else:
            self._fit_primal(history)

    def _fit_primal(self, history: sparse.csr_array[Any, Any]) -> None:
        weights = invert(gram_plus_diagonal(history.T.tocsr(), self._penalties()), of=self._given_reg())
        weights /= -np.diagonal(weights).copy()
        np.fill_diagonal(weights, 0.0)
        self._weights = weights

    def _fit_dual(self, history: sparse.csr_array[Any, Any]) -> None:
        by_item = history.T.tocsr()
        # X D^-1/2, whose Gram matrix over the users is X D^-1 X'.
        scaled = history.copy()
        scaled.data /= np.sqrt(self._penalties())[scaled.indices]
        self._kernel = invert(gram_plus_diagonal(scaled, 1.0), of=self._given_reg())
        # x_j' K x_j / d_j of every item j: the rows of X'K, summed over the item's users.
        quadratic = np.empty(len(self.known.items))
        for start, stop in row_blocks(*by_item.shape):
            product = by_item[start:stop] @ self._kernel
            row, user = stored(by_item.indptr, by_item.indices, np.arange(start, stop))
            quadratic[start:stop] = np.bincount(row, weights=product[row, user], minlength=stop - start)
        quadratic /= self._penalties()
        if quadratic.max() > 1.0 - _LEAST_DIFFERENCE:
            raise ConfigError(f"{self._given_reg()} is too small: float32 cannot tell diag(P) from 0; raise it")
        self._inverse_diagonal = (1.0 / (1.0 - quadratic)).astype(np.float32)

    def _penalties(self) -> npt.NDArray[np.float32]:
        """(n_items,) float32 d_j."""
        hidden = self.config.dropout
        penalties: npt.NDArray[np.float32] = np.float32(self.config.reg) + self.known.popularity * np.float32(
            hidden / (1 - hidden)
        )
        return penalties

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 rebuilt histories. See :meth:`RecommenderWrapper.score`."""
        history = self.known.history
        if self._kernel is None:
            return history[user_index] @ self._weights
        scores = np.ascontiguousarray(self._kernel[user_index] @ history)
        scores *= -self._inverse_diagonal
        scores[stored(history.indptr, history.indices, user_index)] += 1.0
        return scores

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The summands of each score: weights B_ij of what the user rated. See the base.

        In the dual form B_ij = x_i' K x_j / d_i / (d_j P_jj), and 0 for i == j.
        """
        history = self.known.history
        _, rated = stored(history.indptr, history.indices, np.array([user_index]))
        if self._kernel is None:
            assert self._weights is not None
            return rated, self._weights[np.ix_(rated, item_index)].T
        weights = (history[:, item_index].T @ self._kernel) @ history[:, rated] / self._penalties()[rated]
        weights *= self._inverse_diagonal[item_index, np.newaxis]
        weights[item_index[:, np.newaxis] == rated] = 0.0
        return rated, weights

    def state(self) -> Arrays:
        """``weights`` (n_items, n_items), or ``kernel`` (n_users, n_users) and ``inverse_diagonal`` (n_items,)."""
        if self._kernel is None:
            assert self._weights is not None
            return {"weights": self._weights}
        return {"kernel": self._kernel, "inverse_diagonal": self._inverse_diagonal}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back whichever form was stored."""
        n_users, n_items = self.known.history.shape
        if "weights" in state:
            self._weights = _of_shape(state["weights"], (n_items, n_items))
        else:
            self._kernel = _of_shape(state["kernel"], (n_users, n_users))
            self._inverse_diagonal = _of_shape(state["inverse_diagonal"], (n_items,))

    def _given_reg(self) -> str:
        return f"{self.name}: reg == {self.config.reg}"

    def _check_memory(self, side: int) -> None:
        needed = side * side * np.dtype(np.float32).itemsize / 1e9
        if needed > self.config.max_memory_gb:
            raise ConfigError(
                f"{self.name}: max_memory_gb == {self.config.max_memory_gb}, but this data needs a dense matrix of "
                f"{needed:.1f} GB ({side:,} squared); raise it where the memory is there, or train item_knn"
            )


def _of_shape(array: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if array.shape != shape:
        raise ValueError(f"an array has shape {array.shape}, must have {shape}")
    return array
