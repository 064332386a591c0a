"""Ridge regressions of many rows on the same factors, solved together: half an alternation of least squares."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import ThreadpoolController

from wrappers.top_k import stored

#: Factors gathered at once by a thread: 16 MB of float32.
_CELLS = 2**22


def ridge_rows(
    rows: sparse.csr_array[Any, Any],
    factors: npt.NDArray[np.float32],
    *,
    unobserved_weight: float,
    penalty: npt.NDArray[np.float32],
    threads: int,
) -> npt.NDArray[np.float32]:
    """Factors of the rows, given those of the columns: for each row r the x that minimises the weighted loss.

        sum over the columns j that r holds of (1 - y_j'x)^2 + unobserved_weight sum over all j of (y_j'x)^2
            + penalty_r |x|^2

    With unobserved_weight Y'Y = Q diag(l) Q' and S = diag(l + penalty_r)^(1/2), the normal equations in z = S Q'x have
    the matrix I + Z'Z, where Z holds the row's factors in that basis: d by d, or (Woodbury) n by n in I + ZZ' where the
    row is shorter than d. Rows of like length are solved together, the shorter ones filled up with zeros, exactly.

    Args:
        rows: (n_rows, n_columns) of ones.
        factors: (n_columns, d) the y_j.
        unobserved_weight: At least 0.
        penalty: (n_rows,) each above 0.
        threads: Processor cores to use; the result does not depend on them.

    Returns:
        (n_rows, d) float32; 0 for an empty row.
    """
    # Threads over blocks, not inside a product: the matrices are too small to share, and sums keep their order.
    with _threads_of_products().limit(limits=1, user_api="blas"):
        # In float64: the least eigenvalues would drown in float32's rounding of the greatest.
        spectrum, basis = np.linalg.eigh(unobserved_weight * (factors.T.astype(np.float64) @ factors))
        rotated = factors @ basis.astype(np.float32)
        # Columns that only fill up have the last, empty row.
        rotated = np.concatenate([rotated, np.zeros((1, rotated.shape[1]), np.float32)])
        scale = (1.0 / np.sqrt(np.maximum(spectrum, 0.0) + penalty[:, np.newaxis])).astype(np.float32)
        solved: npt.NDArray[np.float32] = np.empty_like(scale)

        def solve(chosen: npt.NDArray[np.int64]) -> None:
            solved[chosen] = _solved(_filled_up(rows, chosen), rotated, scale[chosen])

        blocks = _blocks(np.diff(rows.indptr), factors.shape[1])
        with ThreadPoolExecutor(threads) if len(blocks) > 1 else nullcontext() as pool:
            list((map if pool is None else pool.map)(solve, blocks))
        solved @= basis.T.astype(np.float32)
    return solved


@lru_cache(maxsize=1)
def _threads_of_products() -> ThreadpoolController:
    """Looked for once: to go through all libraries of the process takes longer than a small solve."""
    return ThreadpoolController()


def _blocks(length: npt.NDArray[Any], width: int) -> list[npt.NDArray[np.int64]]:
    """Row numbers in blocks of like length; a block's rows, all as long as its longest, are at most _CELLS numbers."""
    order = np.argsort(length, kind="stable")
    cells = np.maximum(length[order].astype(np.int64), 1) * width
    blocks, start = [], 0
    while start < len(order):
        filled_up = cells[start:] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(filled_up, _CELLS, side="right")))
        blocks.append(order[start:stop])
        start = stop
    return blocks


def _filled_up(rows: sparse.csr_array[Any, Any], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(b, longest) columns of the chosen rows, n_columns where a row is shorter."""
    length = np.diff(rows.indptr)[chosen]
    columns = np.full((len(chosen), length.max()), rows.shape[1], np.int64)
    columns[np.arange(length.max()) < length[:, np.newaxis]] = stored(rows.indptr, rows.indices, chosen)[1]
    return columns


def _solved(
    columns: npt.NDArray[np.int64], rotated: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(b, d) solutions in the rotated basis."""
    held = rotated[columns] * scale[:, np.newaxis]
    across = held.transpose(0, 2, 1)
    n, d = held.shape[1:]
    if n < d:
        inner = held @ across + np.eye(n, dtype=np.float32)
        weights = np.linalg.solve(inner, np.ones((len(held), n, 1), np.float32))
        return scale * (across @ weights)[:, :, 0]
    outer = across @ held + np.eye(d, dtype=np.float32)
    return scale * np.linalg.solve(outer, held.sum(axis=1)[:, :, np.newaxis])[:, :, 0]
