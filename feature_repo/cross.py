"""Features of a user and an item together, from the rows of either: what the ranker and the online store share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import CROSS_FEATURES, ITEM_FEATURES, USER_FEATURES, FeatureLayout

_Rows = npt.NDArray[np.float32]


def cross_features(layout: FeatureLayout, user_rows: _Rows, item_rows: _Rows) -> _Rows:
    """Every feature of ``catalogue.CROSS_FEATURES``.

    Args:
        layout: What stands in which column.
        user_rows: (n, n_user_features) float32 without NaN (``catalogue.filled``), or (n_user_features,): one user
            with every item.
        item_rows: (n, n_item_features) float32 without NaN.

    Returns:
        (n, n_cross_features) float32.
    """
    item_rows = np.atleast_2d(np.asarray(item_rows, dtype=np.float32))
    user_rows = np.atleast_2d(np.asarray(user_rows, dtype=np.float32))
    n_genres, n_scalars = len(layout.genres), len(USER_FEATURES)
    share = user_rows[:, n_scalars : n_scalars + n_genres]
    lift = user_rows[:, n_scalars + n_genres :]
    has = item_rows[:, len(ITEM_FEATURES) :]
    n_has = has.sum(axis=1)
    some = np.maximum(n_has, 1.0)
    best = np.where(has > 0, lift, -np.inf).max(axis=1, initial=-np.inf)
    columns = (
        _dot(share, has) / some,
        _dot(lift, has) / some,
        np.where(n_has > 0, best, 0.0),
        item_rows[:, layout.item_names.index("quality")] - user_rows[:, layout.user_names.index("rating_mean")],
        item_rows[:, layout.item_names.index("popularity")]
        - user_rows[:, layout.user_names.index("item_popularity_mean")],
        item_rows[:, layout.item_names.index("release_year")] - user_rows[:, layout.user_names.index("item_year_mean")],
    )
    assert len(columns) == len(CROSS_FEATURES)
    return np.stack(columns, axis=1).astype(np.float32, copy=False)


def _dot(user: _Rows, item: _Rows) -> _Rows:
    """(n,) the products of matching rows, summed; one user's row matches every item's."""
    products: _Rows = item @ user[0] if len(user) == 1 else np.einsum("ng,ng->n", user, item)
    return products
