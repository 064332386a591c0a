"""Whom to recommend to and what to leave out, in matrix indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.ids import UNKNOWN
from wrappers.training_data import TrainingData


class Asked(NamedTuple):
    """What is asked for n users.

    Attributes:
        user_index: (n,) int64, ``UNKNOWN`` (-1) for users without a training rating.
        k: Length of a list.
        filter_seen: Leave out what the user rated in training.
        excluded_row: (m,) int64 ascending, the user's position, of each item that must not be recommended …
        excluded_item: (m,) int64 … and its index.
    """

    user_index: npt.NDArray[np.int64]
    k: int
    filter_seen: bool
    excluded_row: npt.NDArray[np.int64]
    excluded_item: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        known: TrainingData,
        user_ids: Sequence[Any] | npt.NDArray[Any],
        k: int,
        exclude: Sequence[Iterable[Any]] | None,
        filter_seen: bool,
    ) -> Self:
        """See :meth:`wrappers.recommender.RecommenderWrapper.recommend`.

        Raises:
            ConfigError: k < 1, or exclude has not one entry per user.
        """
        if k < 1:
            raise ConfigError(f"k == {k}, must be >= 1")
        return cls(known.users.index_of(user_ids), k, filter_seen, *_excluded(known, exclude, len(user_ids)))

    def retrieval(self, k: int) -> Self:
        """The same for k candidates, with nothing excluded."""
        nothing = np.empty(0, np.int64)
        return type(self)(self.user_index, k, self.filter_seen, nothing, nothing)

    def part(self, start: int, stop: int) -> Self:
        """The same of users start … stop - 1."""
        here = slice(*np.searchsorted(self.excluded_row, [start, stop]))
        return self._replace(
            user_index=self.user_index[start:stop],
            excluded_row=self.excluded_row[here] - start,
            excluded_item=self.excluded_item[here],
        )


def _excluded(
    known: TrainingData, exclude: Sequence[Iterable[Any]] | None, n_users: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    if exclude is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if len(exclude) != n_users:
        raise ConfigError(f"exclude has {len(exclude)} entries, must have one per user: {n_users}")
    items = [list(given) for given in exclude]
    if not any(items):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    column = known.items.index_of(list(chain.from_iterable(items)))
    row = np.repeat(np.arange(n_users), list(map(len, items)))
    return row[column != UNKNOWN], column[column != UNKNOWN]
