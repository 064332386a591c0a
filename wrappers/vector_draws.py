"""Draws the vectors of one side of the ratings given the other side's: one half of a Gibbs sweep, without a loop over
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wrappers.padded_rows import PaddedRows
from wrappers.vector_prior import Prior


class Drawn(NamedTuple):
    """Vectors of n rows: what multiplies the other side's, and last the row's own bias.

    Attributes:
        vectors: (n, width) float32 draws.
        means: (n, width) float32 expected values of these, given everything that the draws were given.
        squared_errors: (n,) float64, each row's sum over its ratings of (rating - predicted by the draws)^2, times the
            column's share of the noise's precision.
    """

    vectors: npt.NDArray[np.float32]
    means: npt.NDArray[np.float32]
    squared_errors: npt.NDArray[np.float64]


class _Columns(NamedTuple):
    """The other side: (m + 1, …), the last of zeros for what only fills up."""

    design: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    root: npt.NDArray[np.float32]


def draw_vectors(
    blocks: Sequence[PaddedRows],
    prior: Prior,
    columns: npt.NDArray[np.float32],
    row_precision: npt.NDArray[np.float64],
    column_precision: npt.NDArray[np.float64],
    rng: np.random.Generator,
    pool: Executor,
) -> Drawn:
    """Draw each row's vector from its conditional distribution.

    A rating is x_r'z_c + bias_c plus noise of precision a_r w_c, where z_c is the column's vector with 1 in place of
    its bias, so that x_r ends with the row's bias. Then (Salakhutdinov & Mnih 2008, eq. 11-13)

        x_r ~ N(mean, A^-1),   A = L + a_r sum w_c z_c z_c',   A mean = L m_r + a_r sum w_c z_c (rating - bias_c)

    Drawn without a factorisation of A: L m_r plus noise of covariance L, and ratings with noise of their own, on the
    right side give A x = a right side of covariance A.

    Args:
        blocks: The ratings by row, every row once.
        prior: m_r and L.
        columns: (m, width) float32 the other side's vectors, bias last.
        row_precision: (n,) a_r.
        column_precision: (m,) w_c.
        rng: Where chance comes from; each block draws from a child of its own, so that threads do not matter.
        pool: Runs the blocks.
    """
    n, width = prior.mean.shape
    other = _columns(columns, column_precision)
    precision = prior.precision.astype(np.float32)
    shift = (prior.mean @ prior.precision).astype(np.float32)
    lower = np.linalg.cholesky(prior.precision).astype(np.float32)
    drawn = Drawn(np.empty((n, width), np.float32), np.empty((n, width), np.float32), np.empty(n))

    def draw(block: PaddedRows, chance: np.random.Generator) -> None:
        row = block.row
        noise = row_precision[row].astype(np.float32)[:, np.newaxis]
        design, root = other.design[block.column], other.root[block.column]
        target = (block.value - other.bias[block.column]) * root
        chances = chance.standard_normal(target.shape, dtype=np.float32)
        across = design.transpose(0, 2, 1)
        told = across @ np.stack([target * noise, chances * np.sqrt(noise)], axis=2)
        told[:, :, 0] += shift[row]
        told[:, :, 1] += chance.standard_normal((len(row), width), dtype=np.float32) @ lower.T
        solved = np.linalg.solve((across @ design) * noise[:, :, np.newaxis] + precision, told)
        vectors = solved[:, :, 0] + solved[:, :, 1]
        errors = target - (design @ vectors[:, :, np.newaxis])[:, :, 0]
        drawn.means[row], drawn.vectors[row] = solved[:, :, 0], vectors
        drawn.squared_errors[row] = np.einsum("nl,nl->n", errors, errors, dtype=np.float64)

    list(pool.map(draw, blocks, rng.spawn(len(blocks))))
    return drawn


def _columns(vectors: npt.NDArray[np.float32], precision: npt.NDArray[np.float64]) -> _Columns:
    """Scaled by the root of each column's precision, so that sums over ratings are weighted by it."""
    root = np.append(np.sqrt(precision), 0.0).astype(np.float32)
    design = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
    bias = design[:, -1].copy()
    design[:, -1] = 1.0
    return _Columns(design * root[:, np.newaxis], bias, root)
