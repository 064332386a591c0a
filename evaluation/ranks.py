"""Where each row stands within its group: what every split that deals with one user (or item) at a time rests on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Ranked(NamedTuple):
    """Rows by group.

    Attributes:
        code: (n_rows,) int64 group number 0 … n_groups - 1, in ascending order of the groups' ids.
        rank: (n_rows,) int64 place of each row in its group, from 0.
        size: (n_rows,) int64 number of rows in each row's group.
    """

    code: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]


def codes(group: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """(n_rows,) int64 group numbers 0 … n_groups - 1; empty for no rows.

    Args:
        group: (n_rows,) ids of any sortable type.
    """
    ids = np.asarray(group)
    if ids.size == 0:
        return np.zeros(0, dtype=np.int64)
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)


def rank_within(group: npt.ArrayLike, *keys: npt.NDArray[Any]) -> Ranked:
    """Rank the rows of each group by ascending keys.

    Args:
        group: (n_rows,) ids of any sortable type.
        keys: (n_rows,) each; the first decides, later ones break its ties, and rows equal in all keep their order.

    >>> rank_within(["a", "b", "a"], np.array([5, 1, 2]))
    Ranked(code=array([0, 1, 0]), rank=array([1, 0, 0]), size=array([2, 1, 2]))
    """
    code = codes(group)
    order = np.lexsort((*reversed(keys), code))
    count = np.bincount(code)
    rank = np.empty(len(code), dtype=np.int64)
    rank[order] = np.arange(len(code)) - (np.cumsum(count) - count)[code[order]]
    return Ranked(code, rank, count[code] if len(code) else code)
