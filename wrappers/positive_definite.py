"""Dense Gram matrices and their inverses, in float32 and in place: the matrix may fill most of the memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from core.errors import ConfigError
from wrappers.blocks import row_blocks

_TILE = 256


def gram_plus_diagonal(
    rows: sparse.csr_array[Any, Any], diagonal: float | npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float32]:
    """``rows @ rows.T + diag(diagonal)``.

    Args:
        rows: (n, m) sparse float32.
        diagonal: Added to the diagonal, one number or (n,); more than 0 makes the result positive definite.

    Returns:
        (n, n) float32, symmetric.
    """
    n = rows.shape[0]
    gram = np.empty((n, n), np.float32)
    columns = rows.T.tocsr()
    for start, stop in row_blocks(n, n):
        (rows[start:stop] @ columns).toarray(out=gram[start:stop])
    gram[np.arange(n), np.arange(n)] += np.asarray(diagonal, np.float32)
    return gram


def invert(matrix: npt.NDArray[np.float32], *, of: str) -> npt.NDArray[np.float32]:
    """The inverse of a symmetric positive definite matrix by Cholesky (LAPACK potrf, potri), in place.

    Args:
        matrix: (n, n) float32, C order; its memory becomes the result's.
        of: Whose matrix it is, for the message.

    Returns:
        (n, n) float32, exactly symmetric.

    Raises:
        ConfigError: The matrix is not positive definite in float32; a larger diagonal mends that.
    """
    # LAPACK works in place on Fortran order; the transpose of a symmetric matrix in C order is just that.
    factor, failed_at = lapack.spotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
    if failed_at == 0:
        inverse, failed_at = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed_at != 0:
        raise ConfigError(f"{of} is too small: the matrix is singular in float32 (row {failed_at}); raise it")
    # potri fills the upper triangle of Fortran order: the lower one here.
    symmetric: npt.NDArray[np.float32] = inverse.T
    _mirror(symmetric)
    return symmetric


def _mirror(lower: npt.NDArray[np.float32]) -> None:
    """Copy the lower triangle to the upper one, by squares that fit in the cache: a column is far apart in memory."""
    n = len(lower)
    for start in range(0, n, _TILE):
        square = lower[start : start + _TILE, start : start + _TILE]
        square[:] = np.tril(square) + np.tril(square, -1).T
        for below in range(start + _TILE, n, _TILE):
            tile = lower[below : below + _TILE, start : start + _TILE]
            lower[start : start + _TILE, below : below + _TILE] = tile.T
