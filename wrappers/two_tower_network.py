"""A tower for users and one for items, and what they learn from. Imports torch: only training does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from wrappers.blocks import row_blocks
from wrappers.held_out import hold_out, mean_ndcg
from wrappers.lightning_loop import Batch, TrainingTask

if TYPE_CHECKING:
    from wrappers.two_tower import TwoTowerConfig

_DEVIATION = 0.05
#: So many steps an epoch has at least: few users would else make hardly any.
_LEAST_STEPS = 5


class TwoTower(nn.Module):
    """Vectors of users and items whose products are the scores; an item's bias is its vector's last number."""

    def __init__(self, n_users: int, item_features: npt.NDArray[np.float32], config: TwoTowerConfig) -> None:
        super().__init__()
        n_items, n_features = item_features.shape
        size = config.embedding_size
        self.user = nn.Embedding(n_users, size)
        self.item = nn.Embedding(n_items, size)
        self.rated = nn.Embedding(n_items, size)
        for table in (self.user, self.item, self.rated):
            nn.init.normal_(table.weight, std=_DEVIATION)
        self.bias = nn.Embedding.from_pretrained(torch.zeros(n_items, 1), freeze=False)
        self.register_buffer("features", torch.from_numpy(item_features), persistent=False)
        self.described = nn.Linear(n_features, size, bias=False)
        self.user_hidden, self.item_hidden = _hidden(size), _hidden(size)
        self.dropout = config.dropout

    def users(self, user: Tensor, item: Tensor, start: Tensor) -> Tensor:
        """(n, size + 1) of users and what they rated: item (r,), where each one's begin in it: start (n,)."""
        rated = functional.embedding_bag(item, self.rated.weight, start, mode="mean")
        vector = functional.dropout(self.user(user) + rated, self.dropout, self.training)
        vector = vector + self.user_hidden(vector)
        return torch.cat([vector, vector.new_ones(len(vector), 1)], dim=1)

    def items(self, item: Tensor) -> Tensor:
        """(m, size + 1) of items."""
        vector = self.item(item) + self.described(self.features[item])
        return torch.cat([vector + self.item_hidden(vector), self.bias(item)], dim=1)


class TwoTowerTask(TrainingTask):
    """Foretell a part of what a user rated from the rest of it, among items of other users and of the catalogue."""

    def __init__(
        self, history: sparse.csr_array[Any, Any], item_features: npt.NDArray[np.float32], config: TwoTowerConfig
    ) -> None:
        self._config, self._features = config, item_features
        self._held_out = hold_out(history, config.validation_share, config.validation_users, config.seed)
        self._learned = self._held_out.learned
        self._users = np.flatnonzero(np.diff(self._learned.indptr) > 1)
        self._step = max(1, min(config.batch_size, len(self._users) // _LEAST_STEPS))
        self._share = np.bincount(self._learned.indices, minlength=history.shape[1]) / self._learned.nnz

    def network(self) -> nn.Module:
        """Both towers."""
        return TwoTower(self._learned.shape[0], self._features, self._config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """User (b,), given items (g,) and where each user's begin (b,); items (m,) with log of the chance to be
        drawn (m,); where in b x m the items to foretell (t,) (t,) and the given ones (s,) (s,) are.
        """
        rng = np.random.default_rng((self._config.seed, epoch))
        users, size = rng.permutation(self._users), self._step
        for start in range(0, len(users), size):
            batch = np.sort(users[start : start + size])
            rated = self._learned[batch]
            n_rated = np.diff(rated.indptr)
            row, item = np.repeat(np.arange(len(batch)), n_rated), rated.indices.astype(np.int64)
            wanted = self._wanted(rng, row, n_rated)
            pool, log_chance = self._pool(rng, item[wanted])
            place = np.minimum(np.searchsorted(pool, item), len(pool) - 1)
            given = ~wanted & (pool[place] == item)
            begins = np.concatenate([[0], np.cumsum(np.bincount(row[~wanted], minlength=len(batch)))[:-1]])
            arrays = (
                *(batch, item[~wanted], begins, pool, log_chance),
                *(row[wanted], place[wanted], row[given], place[given]),
            )
            yield tuple(map(torch.from_numpy, arrays))

    def _wanted(
        self, rng: np.random.Generator, row: npt.NDArray[np.int64], n_rated: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """(r,) which ratings to foretell: a random share of each user's, at least one."""
        shuffled = np.lexsort((rng.random(len(row)), row))
        begins = np.cumsum(n_rated) - n_rated
        first = np.arange(len(row)) - begins[row] < np.maximum(1, n_rated * self._config.target_share)[row].astype(int)
        wanted = np.zeros(len(row), np.bool_)
        wanted[shuffled[first]] = True
        return wanted

    def _pool(
        self, rng: np.random.Generator, wanted: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Items to choose among, ascending, and the log of each one's chance to be there.

        It is there if none of the t targets missed it, or if it is among those drawn uniformly:
        1 - (1 - share)^t (1 - drawn / n_items). Popular items are there more often as negatives; taking the log of the
        chance from a score makes up for it (Yi et al. 2019, eq. 4).
        """
        n_items = len(self._share)
        drawn = min(self._config.negatives, n_items)
        pool = np.union1d(wanted, rng.choice(n_items, drawn, replace=False))
        missed = (1 - self._share[pool]) ** len(wanted) * (1 - drawn / n_items)
        return pool, np.log1p(-missed).astype(np.float32)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean over what is to be foretold of minus the log of its share."""
        user, given, begins, pool, log_chance, row, place, seen_row, seen_place = batch
        scores = network.users(user, given, begins) @ network.items(pool).T - log_chance
        wanted = scores[row, place].sum()
        # What she is known by is not to be foretold, and no mistake either.
        scores = scores.index_put((seen_row, seen_place), scores.new_tensor(-torch.inf))
        n_wanted = torch.bincount(row, minlength=len(user))
        return ((torch.logsumexp(scores, dim=1) * n_wanted).sum() - wanted) / len(row)

    def share_of_decay(self) -> float:
        """``reg`` is an epoch's."""
        return 1 / max(1, math.ceil(len(self._users) / self._step))

    def speed(self, epoch: int) -> float:
        """Ever slower: at full speed lists change much from epoch to epoch, for no better or worse on the whole."""
        return 1 - epoch / self._config.epochs

    def validation_score(self, network: nn.Module) -> float | None:
        """``mean_ndcg`` of what is held out."""
        if len(self._held_out.item) == 0:
            return None
        users, items = vectors(network, self._learned, self._held_out.users)
        scores = [users[start:stop] @ items.T for start, stop in row_blocks(len(users), len(items))]
        return mean_ndcg(torch.cat(scores).cpu().numpy(), self._held_out)


def vectors(
    network: nn.Module, history: sparse.csr_array[Any, Any], user_index: npt.NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """(n, size + 1) of some users with their whole history, (n_items, size + 1) of all items."""
    rated, device = history[user_index], network.features.device
    index = (user_index, rated.indices.astype(np.int64), rated.indptr[:-1].astype(np.int64))
    users = network.users(*(torch.from_numpy(array).to(device) for array in index))
    return users, network.items(torch.arange(history.shape[1], device=device))


def _hidden(size: int) -> nn.Sequential:
    """A hidden layer that adds nothing to begin with."""
    made = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size, bias=False))
    nn.init.zeros_(made[2].weight)
    return made
