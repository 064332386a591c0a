"""What a candidate is ranked on: the user's features, the item's, both together, and what the retriever said."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import CROSS_FEATURES, FeatureLayout
from feature_repo.cross import cross_features

#: The retriever's score, and log(1 + place in its list), places from 0.
RETRIEVER_COLUMNS = ("retriever_score", "retriever_log_place")


@lru_cache(maxsize=16)
def column_names(layout: FeatureLayout) -> tuple[str, ...]:
    """The columns of :func:`ranking_columns`, e.g. ``user_rating_mean``, ``item_has_genre Drama``, ``lift_match``."""
    return (
        *(f"user_{name}" for name in layout.user_names),
        *(f"item_{name}" for name in layout.item_names),
        *(feature.name for feature in CROSS_FEATURES),
        *RETRIEVER_COLUMNS,
    )


def ranking_columns(
    layout: FeatureLayout,
    user_rows: npt.NDArray[np.float32],
    item_rows: npt.NDArray[np.float32],
    item_index: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
    place: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float32]:
    """One row per candidate.

    Args:
        layout: Of the rows.
        user_rows: (n, n_user_features) float32 without NaN.
        item_rows: (n_items, n_item_features) float32 without NaN.
        item_index: (n, c) int64 candidates of n users, best first by the retriever; where a list is shorter -1, and
            the row means nothing.
        scores: (n, c) float32 the retriever's.
        place: (n, c) int64, from 0, of each in its list; None: as they stand.

    Returns:
        (n, c, n_columns) float32 in C order, without NaN.
    """
    n, c = item_index.shape
    n_user, n_both = user_rows.shape[1], user_rows.shape[1] + item_rows.shape[1]
    columns = np.empty((n, c, n_both + len(CROSS_FEATURES) + len(RETRIEVER_COLUMNS)), np.float32)
    columns[..., :n_user] = user_rows[:, np.newaxis]
    columns[..., n_user:n_both] = item_rows[item_index]
    # A user's row for each candidate, also where there is one user: the same bits in a batch of any size.
    each = columns.reshape(n * c, columns.shape[2])
    each[:, n_both:-2] = cross_features(layout, each[:, :n_user], each[:, n_user:n_both])
    columns[..., -2] = np.where(np.isnan(scores), 0, scores)
    columns[..., -1] = np.log1p(np.arange(c, dtype=np.float32) if place is None else place.astype(np.float32))
    return columns
