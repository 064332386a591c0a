"""Attention over what components say of an item, and what it learns from. Imports torch: only training does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from wrappers.lightning_loop import Batch, TrainingTask
from wrappers.out_of_fold import StackRows

if TYPE_CHECKING:
    from wrappers.attention_hybrid import AttentionHybridConfig

#: Users below which none is held out to validate.
_LEAST_USERS = 20
#: Standard scores and standardised context beyond these are as good as these.
_BOUND = 8.0


class AttentionOverComponents(nn.Module):
    """A correction of log odds, of the components' scores of one item and its context.

    A token for each component (a learned vector of its own, and its score), one for the context; a block of multi-head
    self-attention (Vaswani et al. 2017, eq. 1, layer normalisation first); the context's token, which has then asked
    all components, gives the correction. That begins at 0.

    Args:
        mean: (n_context,) of the training rows.
        scale: (n_context,) their standard deviation, 1 for a column that does not vary.
        n_components: Number of components.
        config: Sizes.
    """

    def __init__(
        self,
        mean: npt.NDArray[np.float32],
        scale: npt.NDArray[np.float32],
        n_components: int,
        config: AttentionHybridConfig,
    ) -> None:
        super().__init__()
        size = config.embedding_size
        self.heads = config.heads
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.component = nn.Parameter(torch.randn(n_components, size) * size**-0.5)
        self.of_score = nn.Linear(2, size)
        self.of_context = nn.Linear(len(mean), size)
        self.before_attention, self.before_hidden = nn.LayerNorm(size), nn.LayerNorm(size)
        self.asked, self.told = nn.Linear(size, size), nn.Linear(size, 2 * size)
        self.mixed = nn.Linear(size, size)
        self.hidden = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))
        self.correction = nn.Linear(size, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, standard: Tensor, context: Tensor) -> Tensor:
        """(n,) corrections of (n, n_components) standard scores and (n, n_context)."""
        tokens = self.tokens(standard, context)
        last = tokens[:, -1]
        last = last + self.mixed(self.attended(self.before_attention(tokens)))
        last = last + self.hidden(self.before_hidden(last))
        return self.correction(last)[:, 0]

    def tokens(self, standard: Tensor, context: Tensor) -> Tensor:
        """(n, n_components + 1, embedding_size), the context's last."""
        z = standard.clamp(-_BOUND, _BOUND)
        of_components = self.of_score(torch.stack([z, torch.relu(z).sqrt()], dim=-1)) + self.component
        of_context = self.of_context(((context - self.mean) / self.scale).clamp(-_BOUND, _BOUND))
        return torch.cat([of_components, of_context[:, None]], dim=1)

    def attended(self, tokens: Tensor) -> Tensor:
        """(n, embedding_size): what the last token gets from all. The others' answers nobody would read."""
        n_tokens, size = tokens.shape[1], tokens.shape[2]
        asked = self.asked(tokens[:, -1]).reshape(-1, self.heads, 1, size // self.heads)
        told = self.told(tokens).reshape(-1, n_tokens, 2, self.heads, size // self.heads)
        key, value = told[:, :, 0].permute(0, 2, 3, 1), told[:, :, 1].permute(0, 2, 1, 3)
        weight = torch.softmax(asked @ key * (size // self.heads) ** -0.5, dim=-1)
        return (weight @ value).reshape(-1, size)


class AttentionTask(TrainingTask):
    """Each list as a choice among its candidates: the cross-entropy of a softmax over them (Cao et al. 2007, "ListNet",
    top one), validated on users held out.
    """

    def __init__(self, rows: StackRows, odds: npt.NDArray[np.float32], config: AttentionHybridConfig) -> None:
        self._config = config
        useful = np.flatnonzero(rows.positive.any(axis=1))
        self._standard, self._context = torch.from_numpy(rows.standard), torch.from_numpy(rows.context)
        share = rows.positive / np.maximum(rows.positive.sum(axis=1, keepdims=True), 1)
        self._share = torch.from_numpy(share.astype(np.float32))
        # Out of the choice, without the infinities whose products are NaN.
        self._odds = torch.from_numpy(np.where(rows.padding, np.float32(-1e4), odds))
        there = rows.context[~rows.padding].astype(np.float64)
        deviation = there.std(axis=0)
        self._mean = there.mean(axis=0).astype(np.float32)
        self._scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
        validated = np.isin(rows.user_ids[useful], self._users_held_out(np.unique(rows.user_ids)))
        self._validated, self._learned = useful[validated], useful[~validated]

    def _users_held_out(self, users: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        share = self._config.validation_share if len(users) >= _LEAST_USERS else 0.0
        return np.random.default_rng(self._config.seed).permutation(users)[: int(len(users) * share)]

    def network(self) -> nn.Module:
        """One that corrects nothing yet."""
        return AttentionOverComponents(self._mean, self._scale, self._standard.shape[-1], self._config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Scores (b, c, n_components), context (b, c, n_context), log odds (b, c) and shares of the choice (b, c)."""
        order = torch.from_numpy(np.random.default_rng((self._config.seed, epoch)).permutation(self._learned))
        return (self._batch(lists) for lists in order.split(self._config.batch_size))

    def _batch(self, lists: Tensor) -> Batch:
        return self._standard[lists], self._context[lists], self._odds[lists], self._share[lists]

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean cross-entropy of the lists."""
        standard, context, odds, share = batch
        corrections = network(standard.flatten(0, 1), context.flatten(0, 1)).reshape(odds.shape)
        return -(functional.log_softmax(odds + corrections, dim=1) * share).sum(dim=1).mean()

    def validation_score(self, network: nn.Module) -> float | None:
        """Minus the mean cross-entropy of the lists of users held out."""
        if not len(self._validated):
            return None
        device, total = network.mean.device, 0.0
        for lists in torch.from_numpy(self._validated).split(self._config.batch_size):
            batch = tuple(one.to(device) for one in self._batch(lists))
            total -= float(self.loss(network, batch)) * len(lists)
        return total / len(self._validated)
