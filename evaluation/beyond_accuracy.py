"""What a list is worth beyond being right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.ranking import PADDING


def coverage(recommended: npt.NDArray[np.integer[Any]], n_items: int, k: int) -> float:
    """Share of the catalogue that is recommended to anyone in the first k places.

    Args:
        recommended: (n_users, m) item indexes, best first, -1 where a list has no item.
        n_items: Size of the catalogue.
        k: Places that count, at least 1.

    Returns:
        0 … 1; 0 where nothing is recommended, NaN where the catalogue is empty.

    Raises:
        ValueError: k < 1, or an item index lies outside the catalogue.

    >>> coverage(np.array([[0, 1], [1, 2]]), n_items=6, k=2)
    0.5
    """
    if k < 1:
        raise ValueError(f"k == {k}, must be >= 1")
    shown = recommended[:, :k]
    shown = shown[shown != PADDING]
    if shown.size and (shown.min() < 0 or shown.max() >= n_items):
        raise ValueError(f"recommended holds item indexes {shown.min()} … {shown.max()}, must be 0 … {n_items - 1}")
    if n_items == 0:
        return float("nan")
    return float(np.count_nonzero(np.bincount(shown, minlength=n_items)) / n_items)
