"""The leading singular vectors of a matrix that need not be made, by randomised subspace iteration."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

#: Directions carried beside those wanted; the paper advises 5 to 10.
_SPARE = 10


class Directions(NamedTuple):
    """A rank-r approximation left @ diag(strength) @ right.T.

    Attributes:
        left: (n, r) of the matrix's type, orthonormal columns.
        strength: (r,) singular values, descending.
        right: (m, r), orthonormal columns.
    """

    left: npt.NDArray[np.floating[Any]]
    strength: npt.NDArray[np.floating[Any]]
    right: npt.NDArray[np.floating[Any]]


def truncated_svd(matrix: LinearOperator[Any], size: int, *, passes: int, seed: int) -> Directions:
    """The ``size`` strongest directions (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1).

    Exact where ``size`` + 10 reaches the matrix's smaller side, else as exact as the spectrum's gap allows.

    Args:
        matrix: (n, m), by its products alone: ``scipy.sparse.linalg.aslinearoperator`` makes it.
        size: At least 1; more than the smaller side gives all there are.
        passes: Over the matrix and its transpose, beside the first: 1 or 2 where strengths fall fast, else a few more.
        seed: The same seed and matrix give the same directions.
    """
    smaller = min(matrix.shape)
    carried = min(size + _SPARE, smaller)
    start = np.random.default_rng(seed).standard_normal((matrix.shape[1], carried))
    basis = np.linalg.qr(matrix.matmat(start.astype(matrix.dtype)))[0]
    for _ in range(passes if carried < smaller else 0):
        basis = np.linalg.qr(matrix.rmatmat(basis))[0]
        basis = np.linalg.qr(matrix.matmat(basis))[0]
    left, strength, right = np.linalg.svd(matrix.rmatmat(basis).T, full_matrices=False)
    kept = min(size, smaller)
    return Directions(basis @ left[:, :kept], strength[:kept], right[:kept].T)
