"""Nearest neighbours among rows of a sparse matrix, alike where they hold the same columns."""

from __future__ import annotations

from typing import Any

import numpy as np
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
