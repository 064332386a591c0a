"""Implicit ALS as its authors tune it: weighted absences and regularisation that grows with frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from wrappers.factors import FactorRecommender, smoother
from wrappers.reported_epochs import reported_epochs
from wrappers.retrieval.config import RetrievalConfig
from wrappers.ridge_rows import ridge_rows
from wrappers.search_space import Choices, Numbers


class IALSConfig(RetrievalConfig):
    """Hyperparameters of iALS, by trials inside ml-latest-small's training part. The grid in
    benchmarks/model_defaults.py was not run to its end.
    """

    embedding_size: int = Field(128, ge=1)
    """Numbers that describe a user, and an item."""
    reg: float = Field(0.01, gt=0)
    """Ridge penalty on both, before frequency scales it: more smooths more. The greater unobserved_weight is, the less
    it must be."""
    unobserved_weight: float = Field(0.3, gt=0)
    """Weight of each absence against 1 for a rating; alpha_0 in the paper."""
    reg_exponent: float = Field(1.0, ge=0, le=1)
    """How the penalty grows with frequency; nu in the paper: 1 in proportion, 0 not at all."""
    stddev: float = Field(0.1, gt=0)
    """Of a user's length to begin with: each number has it over the root of embedding_size."""
    epochs: int = Field(16, ge=1)
    """Alternations between items and users."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the factors to begin with."""
    threads: int = Field(2, ge=1)
    """Processor cores to train on; the result does not depend on them."""


class IALS(FactorRecommender):
    """Matrix factorisation by exact alternating least squares (Rendle, Krichene, Zhang & Koren 2021, "Revisiting the
    Performance of iALS on Item Recommendation Benchmarks").

    Minimises over user factors w and item factors h (eq. 1-3)

        sum over ratings of (1 - w_u'h_i)^2 + alpha_0 sum over all u, i of (w_u'h_i)^2
            + reg (sum over u of (n_u + alpha_0 n_items)^nu |w_u|^2 + sum over i of (n_i + alpha_0 n_users)^nu |h_i|^2)

    with n_u and n_i the ratings of a user and of an item. Items are solved first in each alternation, so that in the
    end users' factors solve exactly for the items', and reasons sum to the score.
    """

    name = "ials"
    Config = IALSConfig
    search_space = {
        "embedding_size": Choices((32, 64, 128, 192)),
        "reg": Numbers(0.001, 0.1, log=True),
        "unobserved_weight": Numbers(0.03, 1.0, log=True),
        "epochs": Numbers(8, 32, log=True, whole=True),
    }

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        size, rng = self.config.embedding_size, np.random.default_rng(self.config.seed)
        users = rng.normal(0.0, self.config.stddev / np.sqrt(size), (history.shape[0], size)).astype(np.float32)
        by_item = history.T.tocsr()
        for _ in reported_epochs(self.name, self.config.epochs):
            items = self._solved(by_item, users)
            users = self._solved(history, items)
        self._user_factors, self._item_factors = users, items

    def _solved(self, rows: sparse.csr_array[Any, Any], factors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return ridge_rows(
            rows,
            factors,
            unobserved_weight=self.config.unobserved_weight,
            penalty=self._penalty(np.diff(rows.indptr), len(factors)),
            threads=self.config.threads,
        )

    def _penalty(self, n_rated: npt.NDArray[Any], n_others: int) -> npt.NDArray[np.float32]:
        """(n_rows,) float32 penalties of eq. 3: reg (n + alpha_0 n_others)^nu."""
        frequency = n_rated + self.config.unobserved_weight * n_others
        penalty: npt.NDArray[np.float32] = (self.config.reg * frequency**self.config.reg_exponent).astype(np.float32)
        return penalty

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The summands of each score (Hu, Koren & Volinsky 2008, section 5). See the base."""
        rated, items = self._rated(user_index), self._item_factors
        normal = self.config.unobserved_weight * self._gram() + items[rated].T @ items[rated]
        normal += np.diag(np.full(items.shape[1], self._penalty(np.array(len(rated)), len(items))))
        return rated, smoother(normal, items[rated], items[item_index])
