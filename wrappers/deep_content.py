"""Content-based recommendation, learned: which descriptions go together, and which please everyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from core.interactions import Interactions
from wrappers.item_features import ItemFeatures, item_features
from wrappers.own_tags import without_foreign_tags
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.recommender import Arrays
from wrappers.search_space import Choices, Numbers
from wrappers.sentence_encoder import sentence_encoder

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask


class DeepContentConfig(LightningConfig):
    """Hyperparameters of deep_content, chosen for new items inside ml-latest-small's training part
    (benchmarks/new_items.py).
    """

    embedding_size: int = Field(64, ge=1)
    """Numbers that say what an item offers, and what users who rated it like."""
    epochs: int = Field(30, ge=1)
    """Passes over the users at most."""
    patience: int = Field(4, ge=1)
    """Epochs without better ranking of items held out, after which training ends; the best epoch's weights are kept."""
    batch_size: int = Field(64, ge=1)
    """Users of one step."""
    learning_rate: float = Field(0.002, gt=0)
    """Step length of Adam."""
    hidden_size: int = Field(128, ge=1)
    """Numbers between an item's features and its embeddings."""
    dropout: float = Field(0.4, ge=0, lt=1)
    """Share of those numbers that a step leaves out."""
    item_dropout: float = Field(0.3, gt=0, lt=1)
    """Share of the items that each step takes out of histories, to be ranked as if nobody had rated them."""
    validation_share: float = Field(0.1, ge=0, lt=1)
    """Share of the rated items that are held out whole, to know when to stop; of too few nothing is held out."""
    text_size: int = Field(128, ge=1)
    """Numbers that genres, tags, words of titles and years are reduced to, where there is no sentence_model."""
    sentence_model: str = ""
    """Folder of a model for sentence-transformers that encodes titles, genres and tags; needs the extra ``sentence``.
    Empty: their terms alone."""


class DeepContent(PytorchLightningWrapper):
    """Learns from descriptions alone, so that it knows items that nobody rated as well as any other.

    One hidden layer encodes an item's text and numbers to what it offers, v_i, what users who rated it like, q_i, and
    what makes it please everyone, b_i; v and q hold the text itself too, weighed by one learned number. A score is

        s_ui = v_i' (sum over the n_u items j that u rated of q_j) / sqrt(n_u) + b_i

    linear in the history, so that every rated item's part in it is known. The root is that of SVD++ (Koren 2008, eq.
    15): who rated much says more, if not that much more. Trained to foretell ratings of items taken
    out of all histories (see ``wrappers.deep_content_network``).
    """

    name = "deep_content"
    Config = DeepContentConfig
    search_space = {
        "embedding_size": Choices((32, 64, 128)),
        "learning_rate": Numbers(0.0005, 0.01, log=True),
        "dropout": Numbers(0.1, 0.6),
        "item_dropout": Numbers(0.1, 0.6),
    }
    needs_details = True
    recommends_unrated = True

    #: (n_items, d) each, and (n_items,).
    _liked: npt.NDArray[np.float32]
    _offered: npt.NDArray[np.float32]
    _appeal: npt.NDArray[np.float32]
    #: (n_users, d) pooled from what their items say.
    _users: npt.NDArray[np.float32]

    def _fit_details(self, interactions: Interactions) -> None:
        own = without_foreign_tags(interactions)
        config = self.config
        encode = sentence_encoder(config.sentence_model, of=self.name) if config.sentence_model else None
        self._train_on(item_features(own, self.known, text_size=config.text_size, seed=config.seed, encode=encode))

    def _task(self, data: ItemFeatures) -> TrainingTask:
        from wrappers.deep_content_network import DeepContentTask

        return DeepContentTask(data, self.known.history, self.config)

    def _keep(self, network: nn.Module) -> None:
        liked, offered, appeal = (array.numpy() for array in network())
        self.restore({"liked": liked, "offered": offered, "appeal": appeal})

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 products and appeal. See :meth:`RecommenderWrapper.score`."""
        # One product per user, in C: a single one of all would round differently with the number of users.
        return (self._users[user_index, np.newaxis] @ self._offered.T)[:, 0] + self._appeal

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """What each rated item adds to the score, beside the recommended item's own appeal. See the base."""
        start, stop = self.known.history.indptr[user_index : user_index + 2]
        rated = self.known.history.indices[start:stop].astype(np.int64)
        return rated, self._offered[item_index] @ self._liked[rated].T / np.sqrt(np.float32(max(len(rated), 1)))

    def state(self) -> Arrays:
        """``liked`` and ``offered`` (n_items, d), ``appeal`` (n_items,)."""
        return {"liked": self._liked, "offered": self._offered, "appeal": self._appeal}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what items are."""
        n_items, offered = len(self.known.items), state["offered"].shape
        for name, shape in {"offered": (n_items, *offered[1:]), "liked": offered, "appeal": (n_items,)}.items():
            if state[name].shape != shape:
                raise ValueError(f"{name} has shape {state[name].shape}, must have {shape}")
        self._liked, self._offered, self._appeal = state["liked"], state["offered"], state["appeal"]
        self._users = pooling(self.known.history) @ self._liked


def pooling(history: sparse.csr_array[Any, Any]) -> sparse.csr_array[Any, Any]:
    """(n_users, n_items) float32: 1 / sqrt(n) where a user has one of n ratings; products with it pool her items."""
    n_rated = np.diff(history.indptr)
    data = np.repeat(1 / np.sqrt(np.maximum(n_rated, 1)), n_rated).astype(np.float32)
    return sparse.csr_array((data, history.indices, history.indptr), shape=history.shape)
