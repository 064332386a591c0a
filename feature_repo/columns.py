"""Columns as snapshots and Feast have them, to rows as a layout has them, and back.

A column is a feature of the catalogue: a number per row, or, of the features per genre, a list with a number per genre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.views import LISTS


def rows_of(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], genres: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Columns as rows.

    Args:
        columns: Feature to its n values, None or NaN where missing; of a feature per genre n lists of
            ``len(genres)`` numbers, or None. Features of the layout that are not given are missing.
        names: ``FeatureLayout.user_names`` or ``item_names``.
        genres: ``FeatureLayout.genres``.

    Returns:
        (n, n_features) float32, NaN = missing.
    """
    n = len(next(iter(columns.values()))) if columns else 0
    place = {name: column for column, name in enumerate(names)}
    rows = np.full((n, len(names)), np.nan, dtype=np.float32)
    for feature, values in columns.items():
        if feature not in LISTS:
            rows[:, place[feature]] = np.asarray(values, dtype=np.float32)
        elif genres:
            start = place[f"{feature} {genres[0]}"]
            rows[:, start : start + len(genres)] = _lists(values, len(genres))
    return rows


def frame_of(rows: npt.NDArray[np.float32], features: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Rows as columns: what a push takes.

    Args:
        rows: (n, n_features) float32, NaN = missing.
        features: The columns wanted, in order.
        names: ``FeatureLayout.user_names`` or ``item_names``.

    Returns:
        n rows of float32, and lists of float32 for the features per genre.
    """
    columns: dict[str, Any] = {}
    for feature in features:
        if feature in LISTS:
            of_genres = [place for place, name in enumerate(names) if name.startswith(f"{feature} ")]
            columns[feature] = list(rows[:, of_genres])
        else:
            columns[feature] = rows[:, list(names).index(feature)]
    return pd.DataFrame(columns)


def _lists(values: Sequence[Any], n_genres: int) -> npt.NDArray[np.float32]:
    # Feast has None where a list is missing.
    nothing = np.full(n_genres, np.nan, dtype=np.float32)
    rows = [nothing if value is None else value for value in values]
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), n_genres)
