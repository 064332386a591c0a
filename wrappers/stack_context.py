"""What a combination of models may look at besides their scores: the user's activity, the item's popularity and age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions
from wrappers.training_data import TrainingData

#: log of the user's ratings; log of the item's; by how much the item's share among the ratings of the user's own period
#: exceeds its share among all, as a log ratio; years between the item's first rating and the user's last, -2 ... 20.
CONTEXT_COLUMNS = ("user_log_history", "item_log_popularity", "item_log_trend", "item_age")

_N_PERIODS = 20
#: Ratings that an item is credited with in each period in proportion to its overall share.
_PRIOR = 3.0
_YEAR = 365.25 * 86_400
_AGES = (-2.0, 20.0)


class StackContext(NamedTuple):
    """Of every user and item of some training ratings.

    Popularity is here and no component: it orders items as this logarithm does, and as a summand it gained nothing
    that could be proven on validation parts.

    Attributes:
        log_history: (n_users,) float32.
        period: (n_users,) int64 period, one of twenty with equally many ratings each, that the user's median rating
            fell in.
        last: (n_users,) float64 seconds since 1970 of the user's last rating.
        log_popularity: (n_items,) float32, -log 2 for items nobody rated.
        log_trend: (n_items, n_periods) float32.
        first: (n_items,) float64 seconds since 1970 of the item's first rating, inf where nobody rated it.
    """

    log_history: npt.NDArray[np.float32]
    period: npt.NDArray[np.int64]
    last: npt.NDArray[np.float64]
    log_popularity: npt.NDArray[np.float32]
    log_trend: npt.NDArray[np.float32]
    first: npt.NDArray[np.float64]

    @classmethod
    def of(cls, interactions: Interactions, known: TrainingData) -> Self:
        """Count the ratings that a model may know."""
        ratings = interactions.ratings
        user, item = (
            known.users.index_of(ratings["user_id"].to_numpy()),
            known.items.index_of(ratings["item_id"].to_numpy()),
        )
        seconds = ratings["timestamp"].to_numpy(np.float64)
        n_users, n_items = len(known.users), len(known.items)
        last, first = np.full(n_users, -np.inf), np.full(n_items, np.inf)
        np.maximum.at(last, user, seconds)
        np.minimum.at(first, item, seconds)
        ends = np.quantile(seconds, np.linspace(0, 1, _N_PERIODS + 1)[1:-1])
        of_rating = np.searchsorted(ends, seconds, side="right")
        counts = np.bincount(item * _N_PERIODS + of_rating, minlength=n_items * _N_PERIODS).reshape(n_items, -1)
        return cls(
            np.log(np.maximum(np.bincount(user, minlength=n_users), 1)).astype(np.float32),
            np.searchsorted(ends, _median_per_group(user, seconds, n_users), side="right"),
            last,
            np.log(np.maximum(np.bincount(item, minlength=n_items), 0.5)).astype(np.float32),
            _log_trend(counts),
            first,
        )

    def columns(self, user_index: npt.NDArray[np.int64], item_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, c, n_columns) float32 of (n,) users and (n, c) items; anything where an item is padding."""
        user = np.broadcast_to(user_index[:, np.newaxis], item_index.shape)
        # An item nobody rated is as young as can be.
        age = np.clip((self.last[user] - self.first[item_index]) / _YEAR, *_AGES)
        columns = (
            self.log_history[user],
            self.log_popularity[item_index],
            self.log_trend[item_index, self.period[user]],
            age,
        )
        return np.stack([column.astype(np.float32) for column in columns], axis=-1)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What an artifact stores."""
        return {f"context_{name}": array for name, array in self._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], known: TrainingData) -> Self:
        """What ``arrays`` stored.

        Raises:
            KeyError: An array is missing.
            ValueError: An array has the wrong shape.
        """
        made = cls(*(arrays[f"context_{name}"] for name in cls._fields))
        users, items = (len(known.users),), (len(known.items),)
        expected = (users, users, users, items, (*items, _N_PERIODS), items)
        shapes = tuple(array.shape for array in made)
        if shapes != expected:
            raise ValueError(f"the context has shapes {shapes}, must have {expected}")
        return made


def _median_per_group(
    group: npt.NDArray[np.int64], values: npt.NDArray[np.float64], n_groups: int
) -> npt.NDArray[np.float64]:
    """(n_groups,) lower median of each group's values; 0 of an empty one."""
    ordered = values[np.lexsort((values, group))]
    count = np.bincount(group, minlength=n_groups)
    place = np.minimum(np.cumsum(count) - count + np.maximum(count - 1, 0) // 2, len(values) - 1)
    return np.where(count > 0, ordered[place], 0.0)


def _log_trend(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(n_items, n_periods) log of an item's share among a period's ratings over its share among all, shrunk to 0."""
    of_item, of_period = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    expected = of_item * of_period / max(int(counts.sum()), 1)
    trend: npt.NDArray[np.float32] = np.log((counts + _PRIOR) / (expected + _PRIOR)).astype(np.float32)
    return trend
