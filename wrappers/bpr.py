"""Bayesian personalised ranking: factors that put what a user rated before what the user did not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from wrappers.factors import FactorRecommender
from wrappers.pairwise_sgd import PairwiseSGD, Steps
from wrappers.reported_epochs import reported_epochs
from wrappers.retrieval.config import RetrievalConfig
from wrappers.search_space import Choices, Numbers


class BPRConfig(RetrievalConfig):
    """Hyperparameters of BPR, by trials inside ml-latest-small's training part. The grid in
    benchmarks/model_defaults.py was not run to its end.
    """

    embedding_size: int = Field(128, ge=1)
    """Numbers that describe a user, and an item; an item has one more, its bias."""
    reg: float = Field(0.02, ge=0)
    """Ridge penalty on all of them: more smooths more."""
    learning_rate: float = Field(0.02, gt=0)
    """Step of Adagrad."""
    epochs: int = Field(40, ge=1)
    """Times that every rating is learned from."""
    batch_size: int = Field(512, ge=1)
    """Ratings per step."""
    candidate_share: float = Field(0.002, ge=0, le=1)
    """Share of all items drawn for each rating, at least one, to be compared with the one of them that scores highest
    and is not rated. 0: one, as in the paper; more: what is learned is the top of the list."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the factors to begin with and of what is drawn."""


class BPR(FactorRecommender):
    """Matrix factorisation learned from pairs (Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009).

    Maximises (BPR-OPT, section 4.1), over items i that u rated and j that u did not,

        sum of ln sigmoid(s_ui - s_uj) - reg |factors|^2,    s_ui = x_u'y_i + b_i

    by batches of pairs. `implicit` has this model too; it draws j in proportion to popularity, and its lists are no
    better than popularity's on ml-latest-small.
    """

    name = "bpr"
    Config = BPRConfig
    search_space = {
        "embedding_size": Choices((32, 64, 128)),
        "reg": Numbers(0.003, 0.1, log=True),
        "learning_rate": Numbers(0.005, 0.1, log=True),
        "epochs": Numbers(10, 80, log=True, whole=True),
        "candidate_share": Numbers(0.0003, 0.01, log=True),
    }

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        config = self.config
        rng = np.random.default_rng(config.seed)
        users, items = (self._beginning(n, rng) for n in history.shape)
        users[:, -1], items[:, -1] = 1.0, 0.0
        candidates = max(1, round(config.candidate_share * history.shape[1]))
        steps = Steps(config.learning_rate, config.reg, config.batch_size, candidates)
        descent = PairwiseSGD(history, users, items, steps, rng)
        # One thread: sums in another order would round differently.
        with threadpool_limits(1, "blas"):
            for _ in reported_epochs(self.name, config.epochs):
                descent.epoch()
        self._user_factors, self._item_factors = users, items

    def _beginning(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """(n, width) factors close to 0, so that all directions are open."""
        return rng.normal(0.0, 0.1 / np.sqrt(self.config.embedding_size), (n, self._width())).astype(np.float32)

    def _width(self) -> int:
        """With the items' biases, which the users take 1 of."""
        return super()._width() + 1
