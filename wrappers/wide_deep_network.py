"""Wide & Deep as a network, and what it learns from. Imports torch: only training does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from wrappers.lightning_loop import Batch, TrainingTask
from wrappers.ranker_training import TrainingRows

if TYPE_CHECKING:
    from wrappers.wide_deep import WideDeepConfig

#: So many steps an epoch has at least: few rows would else make hardly any.
_LEAST_STEPS = 5
#: Users below which none is held out to validate.
_LEAST_USERS = 20


class WideDeep(nn.Module):
    """The probability that a candidate is liked, of its columns as they are; they are standardised inside.

    Args:
        mean: (n_columns,) of the training rows.
        scale: (n_columns,) their standard deviation, 1 for a column that does not vary.
        crossed: Columns of the user and columns of the item that are crossed, each with each.
        config: Sizes.
    """

    def __init__(
        self,
        mean: npt.NDArray[np.float32],
        scale: npt.NDArray[np.float32],
        crossed: tuple[list[int], list[int]],
        config: WideDeepConfig,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("of_user", torch.tensor(crossed[0], dtype=torch.int64))
        self.register_buffer("of_item", torch.tensor(crossed[1], dtype=torch.int64))
        self.wide = nn.Linear(len(mean), 1)
        self.cross = nn.Parameter(torch.zeros(len(crossed[0]), len(crossed[1])))
        nn.init.zeros_(self.wide.weight)
        widths = [len(mean), *(max(1, config.embedding_size // 2**depth) for depth in range(config.layers))]
        hidden = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(config.dropout)) for a, b in pairwise(widths)]
        self.deep = nn.Sequential(*chain.from_iterable(hidden), nn.Linear(widths[-1], 1, bias=False))
        # The linear model is found first, and the deep part only adds what that leaves open.
        nn.init.zeros_(self.deep[-1].weight)

    def forward(self, columns: Tensor) -> Tensor:
        """(n,) probabilities of (n, n_columns)."""
        return torch.sigmoid(self.logits(columns))

    def logits(self, columns: Tensor) -> Tensor:
        """(n,) log odds of (n, n_columns)."""
        # Bounded: a request may bring features that no training row came near.
        z = ((columns - self.mean) / self.scale).clamp(-8, 8)
        # Crossed as they are, shares and flags: standardised, a rare genre would be a large number times another.
        crossed = (columns[:, self.of_user] @ self.cross * columns[:, self.of_item]).sum(dim=1)
        return self.wide(z)[:, 0] + crossed + self.deep(z)[:, 0]


class WideDeepTask(TrainingTask):
    """Rows of candidates as yes and no (Cheng et al. 2016, eq. 3); validated on users held out."""

    def __init__(self, rows: TrainingRows, crossed: tuple[list[int], list[int]], config: WideDeepConfig) -> None:
        self._config, self._crossed = config, crossed
        rng = np.random.default_rng(config.seed)
        n_users = len(rows.per_user)
        n_held_out = int(n_users * config.validation_share) if n_users >= _LEAST_USERS else 0
        held_out = np.zeros(n_users, np.bool_)
        held_out[rng.permutation(n_users)[:n_held_out]] = True
        self._validated = np.repeat(held_out, rows.per_user)
        self._columns = torch.from_numpy(rows.columns)
        self._positive = torch.from_numpy(rows.positive.astype(np.float32))
        self._learned = np.flatnonzero(~self._validated)
        # In double precision, and not by numpy's std: it would make a copy of everything in it.
        mean = rows.columns.mean(axis=0, dtype=np.float64)
        squares = np.einsum("nc,nc->c", rows.columns, rows.columns, dtype=np.float64) / max(len(rows.columns), 1)
        deviation = np.sqrt(np.maximum(squares - mean**2, 0))
        # Rounding alone makes a constant vary by less.
        varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1)
        self._mean, self._scale = mean.astype(np.float32), np.where(varies, deviation, 1).astype(np.float32)

    def network(self) -> nn.Module:
        """Every candidate is as likely as any other to begin with."""
        return WideDeep(self._mean, self._scale, self._crossed, self._config)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Columns (b, n_columns) and positive (b,)."""
        order = torch.from_numpy(np.random.default_rng((self._config.seed, epoch)).permutation(self._learned))
        size = max(1, min(self._config.batch_size, len(order) // _LEAST_STEPS))
        return ((self._columns[rows], self._positive[rows]) for rows in order.split(size))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean logistic loss."""
        columns, positive = batch
        return functional.binary_cross_entropy_with_logits(network.logits(columns), positive)

    def validation_score(self, network: nn.Module) -> float | None:
        """Minus the mean logistic loss on the users held out."""
        if not self._validated.any():
            return None
        rows, device = torch.from_numpy(np.flatnonzero(self._validated)), network.mean.device
        return -float(self.loss(network, (self._columns[rows].to(device), self._positive[rows].to(device))))
