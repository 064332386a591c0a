"""Every user's and every item's features as of one moment, as matrices for models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import DataError
from core.ids import IdIndex
from core.interactions import RATING_COLUMNS, Interactions
from feature_repo.catalogue import FeatureLayout
from feature_repo.rows import Rows, feature_rows, layout_of


@dataclass(frozen=True, eq=False)
class FeatureMatrices:
    """Features as of a moment.

    Attributes:
        layout: What stands in which column.
        as_of: Seconds since 1970; only what lies before it is known.
        users: Whose rows ``user`` holds: everyone with a rating at any time.
        items: Whose rows ``item`` holds: everything with a rating at any time.
        user: (n_users, n_user_features) float32, NaN = missing; a row of NaN for a user without a rating before as_of.
        item: (n_items, n_item_features) float32, likewise.
    """

    layout: FeatureLayout
    as_of: int
    users: IdIndex
    items: IdIndex
    user: npt.NDArray[np.float32]
    item: npt.NDArray[np.float32]


def features_as_of(interactions: Interactions, as_of: int | None = None) -> FeatureMatrices:
    """Every feature of every user and item as of a moment.

    Args:
        interactions: What is known; ratings and tags at or after ``as_of`` are not looked at.
        as_of: Seconds since 1970. None: a second after the latest rating.

    Raises:
        DataError: There is no rating and ``as_of`` is not given.
    """
    moment = after_all(interactions) if as_of is None else int(as_of)
    layout, users, items = layout_of(interactions), interactions.user_index(), interactions.item_index()
    user, item = feature_rows(interactions, [moment], layout, users, items)
    return FeatureMatrices(layout, moment, users, items, _matrix(user, len(users)), _matrix(item, len(items)))


def after_all(interactions: Interactions) -> int:
    """The first moment that knows every rating: a second after the latest.

    Raises:
        DataError: There is no rating.
    """
    if not len(interactions):
        raise DataError("there is no rating; features need at least one")
    return int(interactions.ratings["timestamp"].max()) + 1


def features_version(interactions: Interactions, layout: FeatureLayout) -> str:
    """What features computed from given data are filed under; the order of the rows does not count.

    Counted are the ratings and what is known of items and users: years, genres, demographics. Tags are not, because a
    model drops those that tell of ratings held out, and its features must be found all the same.

    Args:
        interactions: The same from a folder, a zip or a prepared data set give the same version.
        layout: See :func:`feature_repo.rows.layout_of`.
    """
    items = interactions.items[["item_id", "year"]].astype({"year": "float64"})
    users = interactions.users.reindex(columns=["user_id", "age", "gender", "occupation"])
    users["age"] = pd.to_numeric(users["age"], errors="coerce").astype("float64")
    known = (interactions.ratings[list(RATING_COLUMNS)], items, interactions.genres[["item_id", "genre"]], users)
    digest = hashlib.sha256()
    for table in known:
        digest.update(len(table).to_bytes(8, "little"))
        digest.update(_row_hashes(table).tobytes())
    return layout.version(digest.hexdigest())


def _row_hashes(table: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """One hash per row, ascending: of numbers as they are, of anything else as text."""
    columns = {
        name: table[name] if table[name].dtype.kind in "iuf" else table[name].astype("string").fillna("").astype(object)
        for name in table
    }
    hashes = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy(np.uint64)
    return np.sort(hashes).astype("<u8")


def _matrix(rows: Rows, n: int) -> npt.NDArray[np.float32]:
    matrix = np.full((n, rows.values.shape[1]), np.nan, dtype=np.float32)
    matrix[rows.entity] = rows.values
    return matrix
