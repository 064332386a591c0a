"""Who did what with which item: the one shape in which data crosses rooms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.ids import UNKNOWN, IdIndex

RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")


def _no_items() -> pd.DataFrame:
    return pd.DataFrame(
        {"item_id": pd.Series(dtype="int64"), "title": pd.Series(dtype=str), "year": pd.Series(dtype="Int16")}
    )


def _no_genres() -> pd.DataFrame:
    return pd.DataFrame({"item_id": pd.Series(dtype="int64"), "genre": pd.Series(dtype=str)})


def _no_tags() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": pd.Series(dtype="int64"),
            "item_id": pd.Series(dtype="int64"),
            "tag": pd.Series(dtype=str),
            "timestamp": pd.Series(dtype="int64"),
        }
    )


def _no_users() -> pd.DataFrame:
    return pd.DataFrame({"user_id": pd.Series(dtype="int64")})


@dataclass(frozen=True)
class Interactions:
    """Ratings and what is known of items and users.

    Attributes:
        ratings: One row per rating, in file order: user_id, item_id (int64 or str), rating (float32),
            timestamp (int64, seconds since 1970 UTC).
        items: One row per item: item_id, title (str), year (Int16, missing where the title has none).
        genres: One row per item and genre: item_id, genre.
        tags: One row per tag: user_id, item_id, tag, timestamp; empty where the data has none.
        users: One row per user with whatever the data tells (gender, age, occupation, zip); may be empty.
    """

    ratings: pd.DataFrame
    items: pd.DataFrame = field(default_factory=_no_items)
    genres: pd.DataFrame = field(default_factory=_no_genres)
    tags: pd.DataFrame = field(default_factory=_no_tags)
    users: pd.DataFrame = field(default_factory=_no_users)

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: npt.NDArray[np.int64]) -> Interactions:
        """The same items and users with only the given rating rows (positions, kept in the order given)."""
        return replace(self, ratings=self.ratings.iloc[rows].reset_index(drop=True))

    def user_index(self) -> IdIndex:
        """The users that have a rating, ascending."""
        return IdIndex.of(self.ratings["user_id"].to_numpy())

    def item_index(self) -> IdIndex:
        """The items that have a rating, ascending."""
        return IdIndex.of(self.ratings["item_id"].to_numpy())


def to_csr(ratings: pd.DataFrame, users: IdIndex, items: IdIndex, *, binary: bool = True) -> sparse.csr_array[Any, Any]:
    """Ratings as a sparse matrix; rows of unknown users or items are left out.

    Args:
        ratings: Columns user_id, item_id and, unless ``binary``, rating.
        users: The rows' ids.
        items: The columns' ids.
        binary: 1 where a rating exists; otherwise the rating itself.

    Returns:
        (n_users, n_items) float32, column indexes sorted, no duplicates (a pair rated twice counts once when
        binary; otherwise the last rating in row order stands).
    """
    row = users.index_of(ratings["user_id"].to_numpy())
    column = items.index_of(ratings["item_id"].to_numpy())
    keep = (row != UNKNOWN) & (column != UNKNOWN)
    row, column = row[keep], column[keep]
    values = np.ones(len(row), np.float32) if binary else ratings["rating"].to_numpy(np.float32)[keep]
    pair = row * max(len(items), 1) + column
    # np.unique keeps the first of equals: reverse, so that the last one stands.
    _, last = np.unique(pair[::-1], return_index=True)
    last = len(pair) - 1 - last
    return sparse.csr_array((values[last], (row[last], column[last])), shape=(len(users), len(items)), dtype=np.float32)
