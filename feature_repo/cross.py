"""Features of a user and an item together, from the rows of either: what the ranker and the online store share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import CROSS_FEATURES, ITEM_FEATURES, USER_FEATURES, FeatureLayout

_Rows = npt.NDArray[np.float32]

_ONE, _NONE = np.float32(1), np.float32(-np.inf)


def _places(item_feature: str, user_feature: str) -> tuple[int, int]:
    """Of two scalars, in an item's row and in a user's; genres stand behind them."""
    item_names, user_names = ([one.name for one in features] for features in (ITEM_FEATURES, USER_FEATURES))
    return item_names.index(item_feature), user_names.index(user_feature)


#: What an item has more than the user is used to: the last of ``CROSS_FEATURES``.
_DIFFERENCES = (
    _places("quality", "rating_mean"),
    _places("popularity", "item_popularity_mean"),
    _places("release_year", "item_year_mean"),
)


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
    # Genre by genre: numpy reduces many short rows several times slower than few long ones.
    by_genre = np.ascontiguousarray(has.T)
    n_has = by_genre.sum(axis=0)
    some = np.maximum(n_has, _ONE)
    best = np.where(by_genre > 0, lift.T, _NONE).max(axis=0, initial=_NONE)
    computed = np.empty((len(item_rows), len(CROSS_FEATURES)), np.float32)
    computed[:, 0] = _dot(share, has) / some
    computed[:, 1] = _dot(lift, has) / some
    computed[:, 2] = np.where(n_has > 0, best, 0)
    for place, (of_item, of_user) in enumerate(_DIFFERENCES, start=3):
        computed[:, place] = item_rows[:, of_item] - user_rows[:, of_user]
    return computed


def _dot(user: _Rows, item: _Rows) -> _Rows:
    """(n,) the products of matching rows, summed; one user's row matches every item's."""
    products: _Rows = item @ user[0] if len(user) == 1 else np.einsum("ng,ng->n", user, item)
    return products
