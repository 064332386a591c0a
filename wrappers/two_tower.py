"""Two towers: a network for users and one for items, which meet in a product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy import sparse

from wrappers.factors import FactorRecommender
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.retrieval.config import RetrievalConfig
from wrappers.search_space import Choices, Numbers

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask


class TwoTowerConfig(LightningConfig, RetrievalConfig):
    """Hyperparameters of the two towers, chosen inside ml-latest-small's training part
    (benchmarks/model_defaults.py).
    """

    embedding_size: int = Field(64, ge=1)
    """Numbers that describe a user, and an item; one more is the item's bias."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of a user's numbers that are left out at random in training."""
    target_share: float = Field(0.3, gt=0, lt=1)
    """Share of a user's ratings that each step foretells from the rest."""
    negatives: int = Field(4096, ge=1)
    """Items drawn for each step, whoever rated them, beside those that its users rated."""
    epochs: int = Field(40, ge=1)
    """Passes over the users at most."""
    patience: int = Field(20, ge=1)
    """Epochs without a better validation score after which training ends; the best epoch's weights are kept."""
    batch_size: int = Field(128, ge=1)
    """Users of one step at most; there are at least five steps in an epoch."""
    learning_rate: float = Field(0.02, gt=0)
    """Step length of Adam in the first epoch; it falls to 0 over ``epochs``."""
    reg: float = Field(5.0, ge=0)
    """Weight decay of an epoch, apart from the gradient (Loshchilov & Hutter 2019), in equal shares by its steps: the
    more users, the more steps, and what holds weights back must not grow with them. More smooths more."""
    validation_share: float = Field(0.05, ge=0, lt=1)
    """Share of a user's training ratings, rounded up, that is held out to choose the epoch; 0 runs all epochs."""
    validation_users: int = Field(500, ge=1)
    """Users that ratings are held out of, at most."""


class TwoTower(PytorchLightningWrapper, FactorRecommender):
    """Describes a user by who she is and what she rated, an item by which it is and what it is; scores are products.

    With embeddings p, q, r and an item's genres and year g, and f, h one hidden layer each, added to its input:

        user = f(p_u + mean over rated j of r_j),  item = h(q_i + W g_i),  score = user' item + b_i

    Learned as a softmax over the items of a step: what its users rated, and some drawn uniformly, each score less the
    log of the item's chance to be there (Yi et al. 2019). A user is known by a part of her ratings in each step, and
    foretells the others. Answers are numpy's products of stored vectors: nothing is left for ONNX Runtime to do
    (benchmarks/deep_serving.py).
    """

    name = "two_tower"
    Config = TwoTowerConfig
    search_space = {
        "embedding_size": Choices((32, 64, 128)),
        "dropout": Numbers(0.2, 0.7),
        "target_share": Numbers(0.1, 0.5),
        "learning_rate": Numbers(0.002, 0.02, log=True),
        "reg": Numbers(0.25, 15, log=True),
    }

    def _task(self, data: sparse.csr_array[Any, Any]) -> TrainingTask:
        from wrappers.item_features import year_shares
        from wrappers.two_tower_network import TwoTowerTask

        described = [self.known.genre_flags.astype(np.float32), year_shares(self.known.catalogue["year"])]
        return TwoTowerTask(data, np.hstack(described), self.config)

    def _keep(self, network: nn.Module) -> None:
        from wrappers.two_tower_network import vectors

        users, items = vectors(network, self.known.history, np.arange(len(self.known.users)))
        self._user_factors, self._item_factors = users.numpy(), items.numpy()

    def _width(self) -> int:
        return super()._width() + 1
