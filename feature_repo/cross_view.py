"""User x item features for Feast: its columns to our rows, ``cross_features``, and back to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import CROSS_FEATURES, FeatureLayout, filled
from feature_repo.columns import rows_of
from feature_repo.cross import cross_features
from feature_repo.views import CROSS_INPUTS, LISTS, full_name


def cross_columns(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    """Every feature of ``CROSS_FEATURES`` for n pairs of a user and an item.

    Args:
        columns: Feast's full name of each of ``CROSS_INPUTS`` to its n values; None where a feature is missing, for
            which its default stands in, as it does for a model.

    Returns:
        Name to n numbers.
    """
    given = {
        side: {
            name: columns[full_name(view, name)]
            for view, names in CROSS_INPUTS.items()
            if view.startswith(side)
            for name in names
        }
        for side in ("user", "item")
    }
    layout = _layout(values for side in given.values() for name, values in side.items() if name in LISTS)
    users = filled(rows_of(given["user"], layout.user_names, layout.genres), layout.user_defaults)
    items = filled(rows_of(given["item"], layout.item_names, layout.genres), layout.item_defaults)
    computed = _pairwise(layout, users, items)
    return {one.name: computed[:, place].tolist() for place, one in enumerate(CROSS_FEATURES)}


def _layout(lists: Any) -> FeatureLayout:
    """A layout of as many genres as the lists have; what they are called does not matter here."""
    n_genres = max((len(value) for values in lists for value in values if value is not None), default=0)
    return FeatureLayout(tuple(f"{place:04}" for place in range(n_genres)))


def _pairwise(
    layout: FeatureLayout, users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    if not len(users):
        return np.empty((0, len(CROSS_FEATURES)), dtype=np.float32)
    return cross_features(layout, users, items)
