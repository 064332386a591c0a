"""Moments of many groups of units at once: by segment, by day, by arm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from experiments.inference.moments import Moments


def grouped_moments(groups: npt.ArrayLike, rows: npt.ArrayLike, n_groups: int) -> tuple[Moments, ...]:
    """Moments of each group's units.

    Centred on each group's own mean before the squares are summed, as ``Moments.from_rows`` does it.

    >>> [moments.mean.tolist() for moments in grouped_moments([0, 1, 0], [1.0, 5.0, 3.0], 2)]
    [[2.0], [5.0]]

    Args:
        groups: (n,) whole numbers 0 … n_groups - 1, the group of each unit.
        rows: (n, p) what each unit brings, or (n,) for p = 1.
        n_groups: Groups, >= 0.

    Returns:
        One ``Moments`` per group; empty ones for groups without units.

    Raises:
        DataError: The shapes do not fit, a group lies outside 0 … n_groups - 1, or a number is not finite.
    """
    group, table = np.asarray(groups), np.asarray(rows, np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or group.shape != table.shape[:1]:
        raise DataError(f"groups has shape {group.shape}, rows {table.shape}; must be (n,) and (n,) or (n, p)")
    if len(group) and (group.dtype.kind not in "iu" or group.min() < 0 or group.max() >= n_groups):
        raise DataError(f"groups must be whole numbers 0 … {n_groups - 1}")
    wrong = int(np.count_nonzero(~np.isfinite(table).all(axis=1)))
    if wrong:
        raise DataError(f"{wrong} of {len(table)} units have a number that is not finite; leave them out first")
    place = group.astype(np.int64)
    size = table.shape[1]
    n = np.bincount(place, minlength=n_groups)
    # A group without units divides by 1: its mean is never read.
    mean = _sums(place, table, n_groups) / np.maximum(n, 1)[:, np.newaxis]
    apart = table - mean[place]
    products = (apart[:, :, np.newaxis] * apart[:, np.newaxis, :]).reshape(-1, size * size)
    cross = _sums(place, products, n_groups).reshape(n_groups, size, size)
    return tuple(
        Moments(int(count), mean[index], cross[index]) if count else Moments.empty(size)
        for index, count in enumerate(n.tolist())
    )


def _sums(place: npt.NDArray[np.int64], table: npt.NDArray[np.float64], n_groups: int) -> npt.NDArray[np.float64]:
    """(n_groups, p) sums of the rows of each group."""
    return np.stack([np.bincount(place, column, n_groups) for column in table.T], axis=1)
