"""Nearest neighbours among rows of a sparse matrix, alike where they hold the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from wrappers.blocks import row_blocks
from wrappers.top_k import top_k


def nearest(rows: sparse.csr_array[Any, Any], n_nearest: int, shrinkage: float) -> sparse.csr_array[Any, Any]:
    """Each row's nearest neighbours by shrunk cosine (Deshpande & Karypis 2004; Koren 2010).

        sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage)

    with n_i the number of columns that row i holds, n_ij of those that both hold.

    Args:
        rows: (n, m) float32 of ones.
        n_nearest: Neighbours kept for each row, at least 1; equally near ones by ascending row.
        shrinkage: Added to the denominator, so that two rows with a handful of columns are not taken for twins.

    Returns:
        (n, n) float32: in row i the similarities of i's neighbours, fewer where fewer rows share a column with it, and
        never i itself.
    """
    n = rows.shape[0]
    columns = rows.T.tocsr()
    # At least 1: what holds nothing is near nothing, even without shrinkage.
    norm = np.sqrt(np.maximum(np.diff(rows.indptr), 1)).astype(np.float32)
    targets, neighbours, strengths = [], [], []
    for start, stop in row_blocks(n, n):
        similarity = (rows[start:stop] @ columns).toarray()
        similarity /= norm[start:stop, np.newaxis] * norm + np.float32(shrinkage)
        similarity[np.arange(stop - start), np.arange(start, stop)] = 0.0
        neighbour, strength = top_k(similarity, min(n_nearest, n))
        # Rows without a common column are no neighbours, however few neighbours there are.
        row, place = np.nonzero(strength)
        targets.append(row + start)
        neighbours.append(neighbour[row, place])
        strengths.append(strength[row, place])
    where = np.concatenate(targets), np.concatenate(neighbours)
    return sparse.csr_array((np.concatenate(strengths), where), shape=(n, n))


def nan_where_empty(product: sparse.csr_array[Any, Any]) -> npt.NDArray[np.float32]:
    """(n, m) float32 of a sparse (n, m), NaN where nothing is stored: no neighbour has a say there."""
    scores = np.full(product.shape, np.nan, np.float32)
    scores[np.repeat(np.arange(product.shape[0]), np.diff(product.indptr)), product.indices] = product.data
    return scores


def csr_parts(matrix: sparse.csr_array[Any, Any]) -> dict[str, npt.NDArray[Any]]:
    """What a sparse matrix is made of, as an artifact keeps it: ``indptr``, ``indices`` and ``data``."""
    return {
        "indptr": matrix.indptr.astype(np.int64),
        "indices": matrix.indices.astype(np.int32),
        "data": matrix.data,
    }


def square_of_parts(parts: Mapping[str, npt.NDArray[Any]], n: int) -> sparse.csr_array[Any, Any]:
    """The (n, n) sparse matrix that :func:`csr_parts` took apart.

    Raises:
        KeyError: A part is missing.
        ValueError: They make no such matrix.
    """
    matrix = sparse.csr_array((parts["data"], parts["indices"], parts["indptr"]), shape=(n, n))
    matrix.check_format(full_check=True)
    return matrix
