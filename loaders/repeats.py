"""Which rows repeat a key that occurred before, fast and in little memory for many millions of rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd


class Repeats(NamedTuple):
    """Rows whose key occurred before, ascending, and the row of its first occurrence."""

    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]


#: Below this many possible keys, marking each in a table is several times faster than sorting.
_DENSE_KEYS = 2**26
#: Rows looked at together where all at once would take too much memory.
PART = 2**20


def repeats(ids: list[npt.NDArray[Any]]) -> Repeats:
    """Find rows whose values in all columns together occurred before.

    Args:
        ids: One or more columns, each (n_rows,) integers or text.
    """
    columns = [_numbers(column) for column in ids]
    none = np.zeros(0, dtype=np.int64)
    if len(columns[0]) == 0:
        return Repeats(none, none)
    if np.prod([float(column.max()) - float(column.min()) + 1 for column in columns]) >= 2**62:
        # Too far apart for one 64-bit number: number the distinct values first.
        columns = [np.unique(column, return_inverse=True)[1] for column in columns]
    key = _key(columns)
    if _ascending(key):
        return Repeats(none, none)
    repeated = _repeated(key)
    if not len(repeated):
        return Repeats(none, none)
    key = _key(columns)
    suspect = np.flatnonzero(np.isin(key, repeated))
    first = pd.Series(suspect).groupby(key[suspect], sort=False).transform("first").to_numpy()
    again = first != suspect
    return Repeats(suspect[again], first[again])


def _numbers(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The ids themselves, or a number for each distinct text."""
    return ids if ids.dtype.kind == "i" else pd.factorize(ids)[0].astype(np.int64)


def _key(columns: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """(n_rows,) one number >= 0 for the values of all columns."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        key *= int(column.max()) - int(column.min()) + 1
        key += column
        key -= int(column.min())
    return key


def _ascending(key: npt.NDArray[np.int64]) -> bool:
    # In parts, so that rows in no order are found out at the first.
    return all(
        bool((key[start + 1 : start + PART + 1] > key[start : start + PART][: len(key) - start - 1]).all())
        for start in range(0, len(key), PART)
    )


def _repeated(key: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The keys (>= 0) that occur more than once, ascending; may leave the array sorted."""
    n_possible = int(key.max()) + 1
    if n_possible <= _DENSE_KEYS:
        seen = np.zeros(n_possible, dtype=bool)
        seen[key] = True
        if int(np.count_nonzero(seen)) == len(key):
            return np.zeros(0, dtype=np.int64)
    # In place: a hash table of so many keys takes several times their memory.
    key.sort()
    return np.unique(key[1:][key[1:] == key[:-1]])
