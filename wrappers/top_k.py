"""The best k of each row, with ties decided the same way every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

PADDING = -1
#: Scores that are sorted sooner than their keys are made.
_FEW = 512
_LOWEST = np.iinfo(np.int32).min


def top_k(scores: npt.NDArray[np.float32], k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k highest scores of each row, best first; equal scores by ascending column.

    Args:
        scores: (n, m) float32; NaN is never chosen.
        k: How many, at least 1; may exceed m.

    Returns:
        (n, k) int64 columns, ``PADDING`` (-1) where a row has no more; (n, k) float32 scores, NaN there.

    >>> index, _ = top_k(np.array([[.1, .7, np.nan, .7]], np.float32), k=4)
    >>> index.tolist()
    [[1, 3, 0, -1]]
    """
    n, m = scores.shape
    width = min(k, m)
    index = np.full((n, k), PADDING, np.int64)
    best = np.full((n, k), np.nan, np.float32)
    if width == 0:
        return index, best
    if n * m <= _FEW:
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :width]
    else:
        keys = _ranking_keys(scores)
        if width < m:
            keys.partition(width - 1, axis=1)
        chosen = np.sort(keys[:, :width], axis=1) & 0xFFFF_FFFF
    best[:, :width] = scores[np.arange(n)[:, np.newaxis], chosen]
    index[:, :width] = np.where(np.isnan(best[:, :width]), PADDING, chosen)
    return index, best


def _ranking_keys(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(n, m) int64, all different within a row, ascending from the best score to the worst, NaN last.

    The upper half orders by score, the lower half is the column. A partition by score alone would pick any of
    those that tie at the boundary.
    """
    # Adding zero makes -0.0 and 0.0 the same bits.
    bits = (scores + np.float32(0.0)).view(np.int32)
    # Bits of negative floats ascend as the numbers descend: flipping all but the sign puts them in order.
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFF_FFFF))
    np.copyto(ascending, _LOWEST, where=np.isnan(scores))
    keys = (~ascending).astype(np.int64)
    keys <<= 32
    keys |= np.arange(scores.shape[1])
    return keys


def stored(
    indptr: npt.NDArray[Any], indices: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the given rows of a sparse matrix hold something.

    Args:
        indptr: (n_rows + 1,) of a CSR matrix.
        indices: (nnz,) of it.
        rows: (m,) row numbers; may repeat.

    Returns:
        Positions into ``rows`` (ascending) and column numbers, one pair per stored entry.
    """
    start = indptr[rows].astype(np.int64)
    count = indptr[rows + 1] - start
    position = np.repeat(np.arange(len(rows)), count)
    within_row = np.arange(len(position)) - np.repeat(np.cumsum(count) - count, count)
    return position, indices[np.repeat(start, count) + within_row].astype(np.int64)
