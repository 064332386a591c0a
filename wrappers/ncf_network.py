"""NeuMF and its halves as a network, and what they learn from. Imports torch: only training does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from wrappers.blocks import row_blocks
from wrappers.held_out import hold_out, mean_ndcg
from wrappers.lightning_loop import Batch, TrainingTask, train
from wrappers.negative_sampling import NegativeSampler

if TYPE_CHECKING:
    from wrappers.ncf import NCFConfig

Index = npt.NDArray[np.int64]

#: Weights begin as He et al. 2017 begin them.
_DEVIATION = 0.01
#: So many steps an epoch has at least: few users would else make hardly any.
_LEAST_STEPS = 5
#: NeuMF goes on from GMF's weights: at full speed it would first forget them.
_SPEED_AFTER_PRETRAINING = 0.25


class NeuMF(nn.Module):
    """Scores as He et al. 2017 define them, in parts that belong to a user or an item alone.

    The first layer of the MLP is linear in the two embeddings side by side: W [p; q] + b = W_user p + (W_item q + b).
    Both summands are computed once per user and per item, not once per pair.
    """

    def __init__(self, n_users: int, n_items: int, config: NCFConfig) -> None:
        super().__init__()
        self.with_gmf, self.with_mlp = config.variant != "mlp", config.variant != "gmf"
        self.gmf_size = config.embedding_size if self.with_gmf else 0
        self.n_users, self.dropout = n_users, config.dropout
        self.item_bias = nn.Parameter(torch.zeros(n_items, 1))
        if self.with_gmf:
            self.gmf_user, self.gmf_item = _embedding(n_users, self.gmf_size), _embedding(n_items, self.gmf_size)
        if self.with_mlp:
            widths = [max(1, config.mlp_size // 2**depth) for depth in range(config.layers)]
            self.mlp_user, self.mlp_item = _embedding(n_users, config.mlp_size), _embedding(n_items, config.mlp_size)
            self.first_user = nn.Linear(config.mlp_size, widths[0], bias=False)
            self.first_item = nn.Linear(config.mlp_size, widths[0])
            self.hidden = nn.ModuleList([nn.Linear(*pair) for pair in pairwise(widths)])
            self.output = nn.Linear(widths[-1], 1, bias=False)

    def user_part(self, user: Tensor) -> Tensor:
        """(n, gmf_size + h): GMF's p, and the MLP's W_user p."""
        parts = []
        if self.with_gmf:
            parts.append(functional.dropout(self.gmf_user(user), self.dropout, self.training))
        if self.with_mlp:
            parts.append(self.first_user(self.mlp_user(user)))
        return torch.cat(parts, dim=1)

    def item_part(self, item: Tensor) -> Tensor:
        """(m, gmf_size + h + 1): GMF's q, the MLP's W_item q + b, and the item's bias."""
        parts = []
        if self.with_gmf:
            parts.append(self.gmf_item(item))
        if self.with_mlp:
            parts.append(self.first_item(self.mlp_item(item)))
        return torch.cat([*parts, self.item_bias[item]], dim=1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """(n, m) scores of (n, …) users' parts with (m, …) items' parts, or with (n, m, …): each user's own items."""
        p, q = user[:, : self.gmf_size], item[..., : self.gmf_size]
        scores = p @ q.T if item.ndim == 2 else (q @ p[..., None])[..., 0]
        scores = scores + item[..., -1]
        if self.with_mlp:
            layer = torch.relu(user[:, None, self.gmf_size :] + item[..., self.gmf_size : -1])
            for linear in self.hidden:
                layer = torch.relu(linear(layer))
            scores = scores + self.output(layer)[..., 0]
        return scores


class NCFTask(TrainingTask):
    """A few users at a time: all they rated, against the catalogue ("softmax") or negatives of each rating ("bce")."""

    def __init__(self, history: sparse.csr_array[Any, Any], config: NCFConfig, start: nn.Module | None = None) -> None:
        self._config, self._start = config, start
        self._held_out = hold_out(history, config.validation_share, config.validation_users, config.seed)
        self._learned = self._held_out.learned
        self._sampler = NegativeSampler(self._learned)
        # Who rated everything, or nothing, has nothing to be told apart.
        n_rated = np.diff(self._learned.indptr)
        self._users = np.flatnonzero((n_rated > 0) & (self._sampler.n_unrated > 0))
        self._step = max(1, min(config.batch_size, len(self._users) // _LEAST_STEPS))

    def network(self) -> nn.Module:
        """New, or with GMF's weights."""
        network = NeuMF(*self._learned.shape, self._config)
        if self._start is not None:
            network.load_state_dict(self._start.state_dict(), strict=False)
        return network

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Each user once: ``_against_catalogue`` or ``_against_negatives``."""
        rng = np.random.default_rng((self._config.seed, epoch))
        users, size = rng.permutation(self._users), self._step
        for start in range(0, len(users), size):
            batch = np.sort(users[start : start + size])
            rated = self._learned[batch]
            row = np.repeat(np.arange(len(batch)), np.diff(rated.indptr))
            arrays = (
                self._against_catalogue(rng, batch, row, rated.indices.astype(np.int64))
                if self._config.loss == "softmax"
                else self._against_negatives(rng, batch[row], rated.indices.astype(np.int64))
            )
            yield tuple(map(torch.from_numpy, arrays))

    def _against_catalogue(
        self, rng: np.random.Generator, batch: Index, row: Index, item: Index
    ) -> tuple[Index, Index, Index, Index]:
        """Users (b,), items (m,), and where among b x m the ratings are: (r,) and (r,)."""
        n_items = self._learned.shape[1]
        if n_items <= self._config.softmax_items:
            return batch, np.arange(n_items), row, item
        part = np.sort(rng.choice(n_items, self._config.softmax_items, replace=False))
        place = np.minimum(np.searchsorted(part, item), len(part) - 1)
        there = part[place] == item
        return batch, part, row[there], place[there]

    def _against_negatives(self, rng: np.random.Generator, user: Index, item: Index) -> tuple[Index, Index]:
        """Users (r,) and items (r, 1 + negatives), the rated one first."""
        negative = self._sampler.sample(user, self._config.negatives, rng)
        return user, np.concatenate([item[:, np.newaxis], negative], axis=1)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean over the batch's ratings."""
        if self._config.loss == "softmax":
            user, item, row, place = batch
            scores = network(network.user_part(user), network.item_part(item))
            n_rated = torch.bincount(row, minlength=len(user))
            # Minus the log of the rated items' shares, summed, without a matrix of all shares.
            return ((torch.logsumexp(scores, dim=1) * n_rated).sum() - scores[row, place].sum()) / max(len(row), 1)
        user, item = batch
        scores = network(network.user_part(user), network.item_part(item.flatten()).unflatten(0, item.shape))
        labels = torch.zeros_like(scores)
        labels[:, 0] = 1
        return functional.binary_cross_entropy_with_logits(scores, labels)

    def share_of_decay(self) -> float:
        """``reg`` is an epoch's."""
        return 1 / max(1, math.ceil(len(self._users) / self._step))

    def speed(self, epoch: int) -> float:
        """Ever slower: at full speed lists change much from epoch to epoch, for no better or worse on the whole."""
        first = 1.0 if self._start is None else _SPEED_AFTER_PRETRAINING
        return first * (1 - epoch / self._config.epochs)

    def validation_score(self, network: nn.Module) -> float | None:
        """``mean_ndcg`` of what is held out."""
        if len(self._held_out.item) == 0:
            return None
        device = network.item_bias.device
        user = network.user_part(torch.from_numpy(self._held_out.users).to(device))
        item = network.item_part(torch.arange(self._learned.shape[1], device=device))
        scores = [network(user[start:stop], item) for start, stop in row_blocks(len(user), item.numel())]
        return mean_ndcg(torch.cat(scores).cpu().numpy(), self._held_out)


def ncf_task(history: sparse.csr_array[Any, Any], config: NCFConfig, name: str) -> NCFTask:
    """What to train: NeuMF from a trained GMF where it is to, all else from nothing."""
    if config.variant != "neumf" or not config.pretrain:
        return NCFTask(history, config)
    half = config.model_copy(update={"variant": "gmf"})
    return NCFTask(history, config, start=train(NCFTask(history, half), half, name=f"{name}-gmf"))


def _embedding(n: int, size: int) -> nn.Embedding:
    made = nn.Embedding(n, size)
    nn.init.normal_(made.weight, std=_DEVIATION)
    return made


def served_arrays(network: NeuMF) -> dict[str, npt.NDArray[np.float32]]:
    """What scores are computed from; see ``wrappers.ncf.NCF``."""
    g = network.gmf_size
    user = network.user_part(torch.arange(network.n_users)).numpy()
    item = network.item_part(torch.arange(len(network.item_bias))).numpy()
    arrays = {
        "gmf_user": user[:, :g],
        "gmf_item": item[:, :g],
        "mlp_user": user[:, g:],
        "mlp_item": item[:, g:-1],
        "item_bias": item[:, -1],
    }
    if network.with_mlp:
        for depth, linear in enumerate(network.hidden, 1):
            arrays[f"weight_{depth}"], arrays[f"bias_{depth}"] = linear.weight.numpy().T, linear.bias.numpy()
        arrays["output"] = network.output.weight.numpy()[0]
    # In C order each: what is stored and read again is, and another order may round differently.
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}
