"""Neural collaborative filtering (He et al. 2017): GMF, MLP and NeuMF, which is both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wrappers.blocks import row_blocks
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.recommender import Arrays
from wrappers.search_space import Choices, Numbers
from wrappers.top_k import stored

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask


class NCFConfig(LightningConfig):
    """Hyperparameters of NCF. ``embedding_size`` was compared inside ml-latest-small's training part
    (benchmarks/model_defaults.py: 64 gives NDCG@10 .1684, 128 .1714); of the others no grid was run.
    """

    variant: Literal["neumf", "gmf", "mlp"] = "neumf"
    """GMF (a weighted product of embeddings), an MLP over both embeddings, or the sum of the two (NeuMF)."""
    embedding_size: int = Field(128, ge=1)
    """Numbers that describe a user, and an item, to GMF."""
    mlp_size: int = Field(16, ge=1)
    """Numbers that describe a user, and an item, to the MLP, and width of its first layer; each further has half."""
    layers: int = Field(2, ge=1, le=8)
    """Hidden layers of the MLP."""
    pretrain: bool = True
    """Whether NeuMF begins with a GMF trained alone; the MLP begins at random (3.4.1 of the paper trains both alone
    first). A step with the MLP takes many times longer than one without, so most of the way is cheap."""
    loss: Literal["softmax", "bce"] = "softmax"
    """"softmax": a user's ratings against the whole catalogue at once; "bce": the paper's, each rating and some
    negatives as yes and no. The first takes fewer, denser steps to better lists."""
    softmax_items: int = Field(10_000, ge=2)
    """softmax: items of one step at most; of a larger catalogue a part is drawn for each step."""
    negatives: int = Field(4, ge=1)
    """bce: unrated items for each rated one, drawn anew in each epoch."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of a user's numbers that GMF does without, at random, in training."""
    epochs: int = Field(120, ge=1)
    """Passes over the users at most, of GMF's pretraining and of the whole, each."""
    patience: int = Field(10, ge=1)
    """Epochs without a better validation score after which training ends; the best epoch's weights are kept."""
    batch_size: int = Field(128, ge=1)
    """Users of one step at most; there are at least five steps in an epoch."""
    learning_rate: float = Field(0.01, gt=0)
    """Step length of Adam in the first epoch, a quarter of it where NeuMF goes on from GMF; it falls to 0 over
    ``epochs``."""
    reg: float = Field(5.0, ge=0)
    """Weight decay of an epoch, apart from the gradient (Loshchilov & Hutter 2019), in equal shares by its steps: the
    more users, the more steps, and what holds weights back must not grow with them. More smooths more."""
    validation_share: float = Field(0.05, ge=0, lt=1)
    """Share of a user's training ratings, rounded up, that is held out to choose the epoch; 0 runs all epochs."""
    validation_users: int = Field(500, ge=1)
    """Users that ratings are held out of, at most."""


class NCF(PytorchLightningWrapper):
    """Scores a user and an item by what a network learned of both.

    With embeddings p, q of GMF and p', q' of the MLP (He et al. 2017, eq. 8-12), and an item bias b:

        score = w (p * q) + h relu(W2 relu(W1 [p'; q'] + c1) + c2) + b

    Differs from the paper in what is learned from: by default the log-likelihood of each rating among all items
    (``loss``), where the paper samples negatives; w is part of p. Answers are numpy's: W1 [p'; q'] falls apart into a
    user's and an item's summand, which are stored, and for what is left numpy is as fast as ONNX Runtime and faster
    than torch (benchmarks/deep_serving.py).
    """

    name = "ncf"
    Config = NCFConfig
    search_space = {
        "embedding_size": Choices((64, 128, 192)),
        "dropout": Numbers(0.2, 0.7),
        "learning_rate": Numbers(0.002, 0.02, log=True),
        "reg": Numbers(0.5, 15, log=True),
        # Of many users fewer passes may do: an epoch has more steps.
        "epochs": Numbers(20, 120, log=True, whole=True),
    }

    #: gmf_user, gmf_item, mlp_user, mlp_item (rows, width; no columns where the variant has no such half), item_bias
    #: (n_items,), and of the layers after the first weight_1 (in, out), bias_1 (out,), ..., output (in,).
    _learned: dict[str, npt.NDArray[np.float32]]

    def _task(self, data: Any) -> TrainingTask:
        from wrappers.ncf_network import ncf_task

        return ncf_task(data, self.config, self.name)

    def _keep(self, network: nn.Module) -> None:
        from wrappers.ncf_network import served_arrays

        self._learned = served_arrays(network)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32. See :meth:`RecommenderWrapper.score`."""
        learned, n_items = self._learned, len(self.known.items)
        scores = np.empty((len(user_index), n_items), np.float32)
        width = learned["mlp_item"].shape[1]
        for start, stop in row_blocks(len(user_index), n_items * max(width, 1)):
            user = user_index[start:stop, np.newaxis]
            # One product per user, in C: a single one of all would round differently with the number of users.
            scores[start:stop] = (learned["gmf_user"][user] @ learned["gmf_item"].T)[:, 0]
            if width:
                scores[start:stop] += self._mlp(learned["mlp_user"][user])
        scores += learned["item_bias"]
        return scores

    def _mlp(self, user: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, n_items) of (n, 1, width) users' summands of the first layer."""
        layer = user + self._learned["mlp_item"]
        np.maximum(layer, 0, out=layer)
        for depth in range(1, self.config.layers):
            layer = layer @ self._learned[f"weight_{depth}"]
            layer += self._learned[f"bias_{depth}"]
            np.maximum(layer, 0, out=layer)
        return layer @ self._learned["output"]

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Cosines of items as the network sees them. See :meth:`RecommenderWrapper.contributions`."""
        _, rated = stored(self.known.history.indptr, self.known.history.indices, np.array([user_index]))
        items = np.concatenate([self._learned["gmf_item"], self._learned["mlp_item"]], axis=1)
        items /= np.maximum(np.linalg.norm(items, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rated, items[item_index] @ items[rated].T

    def state(self) -> Arrays:
        """Embeddings, biases and the layers' weights."""
        return dict(self._learned)

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the weights."""
        n_users, n_items = self.known.history.shape
        g = self.config.embedding_size if self.config.variant != "mlp" else 0
        h = self.config.mlp_size if self.config.variant != "gmf" else 0
        expected = {
            "gmf_user": (n_users, g),
            "gmf_item": (n_items, g),
            "mlp_user": (n_users, h),
            "mlp_item": (n_items, h),
            "item_bias": (n_items,),
        }
        for name, shape in expected.items():
            if state[name].shape != shape:
                raise ValueError(f"{name} has shape {state[name].shape}, must have {shape}")
        self._learned = dict(state)
