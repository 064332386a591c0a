"""The network of ``deep_content``, and what it is trained on.

Imports torch: only ``wrappers.deep_content`` imports it, when it trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn

from wrappers.blocks import row_blocks
from wrappers.deep_content import pooling
from wrappers.item_features import ItemFeatures
from wrappers.lightning_loop import Batch, TrainingTask

if TYPE_CHECKING:
    from wrappers.deep_content import DeepContentConfig

#: Items held out to validate: fewer would not tell one epoch from the next.
_LEAST_HELD_OUT = 20


class Encoded(NamedTuple):
    """Items as the network sees them.

    Attributes:
        liked: (n, d) what a user who rated the item likes; d is embedding_size and the numbers of its text.
        offered: (n, d) what it offers to users.
        appeal: (n,) what it offers to everyone.
    """

    liked: Tensor
    offered: Tensor
    appeal: Tensor


class DeepContentNetwork(nn.Module):
    """Encodes items by what is written about them and by their numbers.

    The text itself is part of both embeddings, so that products of them begin as the likeness of texts, and learning
    starts from what content-based recommendation knows without it.

    Args:
        features: Of all items; kept as buffers.
        config: Sizes.
    """

    def __init__(self, features: ItemFeatures, config: DeepContentConfig) -> None:
        super().__init__()
        self.register_buffer("text", torch.from_numpy(features.text), persistent=False)
        self.register_buffer("numeric", torch.from_numpy(features.numeric), persistent=False)
        self.text_encoder = nn.Linear(features.text.shape[1], config.hidden_size, bias=False)
        self.numeric_encoder = nn.Linear(features.numeric.shape[1], config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.liked = nn.Linear(config.hidden_size, config.embedding_size)
        self.offered = nn.Linear(config.hidden_size, config.embedding_size)
        self.appeal = nn.Linear(config.hidden_size, 1)
        self.likeness = nn.Parameter(torch.ones(()))

    def forward(self) -> Encoded:
        """All items, encoded."""
        hidden = self.dropout(torch.relu(self.text_encoder(self.text) + self.numeric_encoder(self.numeric)))
        return Encoded(
            torch.cat([self.liked(hidden), self.likeness * self.text], dim=1),
            torch.cat([self.offered(hidden), self.text], dim=1),
            self.appeal(hidden)[:, 0],
        )


class DeepContentTask(TrainingTask):
    """Items that a step knows say what users like; which of the others these users rated is to be foretold.

    Each step takes a random share of the rated items out of all histories, and ranks exactly these: they are as new
    to it as items are that nobody rated. The loss is the multinomial one over them (Liang et al. 2018, eq. 2).

    Args:
        features: Of all items.
        history: (n_users, n_items) sparse, nonzero where there is a rating.
        config: How to train.
    """

    def __init__(self, features: ItemFeatures, history: sparse.csr_array[Any, Any], config: DeepContentConfig) -> None:
        self._features, self._config = features, config
        rated = np.flatnonzero(np.bincount(history.indices, minlength=history.shape[1]))
        rated = np.random.default_rng((config.seed, 0)).permutation(rated)
        n_held_out = int(config.validation_share * len(rated))
        if n_held_out < _LEAST_HELD_OUT:
            n_held_out = 0
        self._held_out, self._rated = np.sort(rated[:n_held_out]), np.sort(rated[n_held_out:])
        self._new = history[:, self._held_out]
        known = history.tocsc()[:, self._rated].tocsr()
        self._users = np.flatnonzero(np.diff(known.indptr) > 1)
        self._history = known

    def network(self) -> nn.Module:
        """The encoder to begin with."""
        return DeepContentNetwork(self._features, self._config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Users in random order: what they rated of the items left in, and of those taken out."""
        rng = np.random.default_rng((self._config.seed, 1, epoch))
        users = rng.permutation(self._users)
        for start in range(0, len(users), self._config.batch_size):
            chosen = rng.random(len(self._rated)) < self._config.item_dropout
            rows = self._history[users[start : start + self._config.batch_size]]
            yield self._batch(rows, chosen)

    def _batch(self, rows: sparse.csr_array[Any, Any], taken_out: npt.NDArray[np.bool_]) -> Batch:
        past, future = np.flatnonzero(~taken_out), np.flatnonzero(taken_out)
        return (
            torch.from_numpy(self._rated[past]),
            torch.from_numpy(pooling(rows[:, past]).toarray()),
            torch.from_numpy(self._rated[future]),
            torch.from_numpy(rows[:, future].toarray()),
        )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean, over ratings of the items taken out, of minus their log probability."""
        items: Encoded = network()
        return -_log_likelihood(items, *batch)

    def validation_score(self, network: nn.Module) -> float | None:
        """The same of the items held out, with the sign of a score: no step saw them."""
        if not len(self._held_out):
            return None
        items: Encoded = network()
        device = items.appeal.device
        past, future = (torch.from_numpy(index).to(device) for index in (self._rated, self._held_out))
        found = 0.0
        for start, stop in row_blocks(self._new.shape[0], len(self._features.text)):
            pooled = torch.from_numpy(pooling(self._history[start:stop]).toarray()).to(device)
            rated = torch.from_numpy(self._new[start:stop].toarray()).to(device)
            found += float(_log_likelihood(items, past, pooled, future, rated)) * self._new[start:stop].nnz
        return found / max(self._new.nnz, 1)


def _log_likelihood(items: Encoded, past: Tensor, pooled: Tensor, future: Tensor, rated: Tensor) -> Tensor:
    """Mean log probability of a rating.

    Args:
        items: All, encoded.
        past: (p,) items that describe users.
        pooled: (n, p) how much each describes each user.
        future: (f,) items that are ranked.
        rated: (n, f) 1 where the user rated one.
    """
    users = pooled @ items.liked[past]
    scores = users @ items.offered[future].T + items.appeal[future]
    return (torch.log_softmax(scores, dim=1) * rated).sum() / rated.sum().clamp(min=1)
