"""Rows of a sparse matrix as dense blocks of like length: what a batched product needs in place of a loop over rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

#: Cells of one block: with 17 numbers a cell, 17 MB of float32, which a processor's cache nearly holds.
_CELLS = 2**18
#: The longest row of a block is at most this much longer than its shortest, and a few: how much is padding.
_STRETCH, _FEW = 1.2, 4


class PaddedRows(NamedTuple):
    """Some rows, side by side.

    Attributes:
        row: (n,) int64 which rows these are.
        column: (n, length) int64; the number of columns of the matrix where a row is shorter.
        value: (n, length) float32; 0 where a row is shorter.
    """

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]


def padded_rows(matrix: sparse.csr_array[Any, Any]) -> list[PaddedRows]:
    """Every row once, shortest first; rows without an entry have length 0.

    >>> blocks = padded_rows(sparse.csr_array([[0, 5, 0], [7, 0, 9]]))
    >>> [(block.row.tolist(), block.column.tolist()) for block in blocks]
    [([0, 1], [[1, 3], [0, 2]])]
    """
    lengths = np.diff(matrix.indptr)
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order]
    blocks, start = [], 0
    while start < len(order):
        rest = ascending[start:]
        like = np.searchsorted(rest, _STRETCH * rest[0] + _FEW, side="right")
        fitting = np.searchsorted(np.arange(1, like + 1) * rest[:like], _CELLS, side="right")
        stop = start + max(int(fitting), 1)
        blocks.append(_padded(matrix, order[start:stop], int(ascending[stop - 1])))
        start = stop
    return blocks


def _padded(matrix: sparse.csr_array[Any, Any], row: npt.NDArray[np.int64], length: int) -> PaddedRows:
    first, end = matrix.indptr[row].astype(np.int64), matrix.indptr[row + 1]
    position = first[:, np.newaxis] + np.arange(length)
    there = position < end[:, np.newaxis]
    # Where a row has ended, some entry is read and replaced; of a matrix without entries nothing is read at all.
    position[~there] = 0
    column = np.where(there, matrix.indices[position], matrix.shape[1]).astype(np.int64)
    return PaddedRows(row, column, np.where(there, matrix.data[position], 0).astype(np.float32))
