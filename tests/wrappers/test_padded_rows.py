"""Padded blocks hold every entry once and little else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from wrappers import padded_rows as module
from wrappers.padded_rows import padded_rows


def long_tailed(n_rows: int, n_columns: int) -> sparse.csr_array:
    """Rows of 0 to n_columns entries, most of them short; some entries are 0, stored."""
    rng = np.random.default_rng(0)
    length = np.minimum(rng.geometric(0.1, n_rows) - 1, n_columns)
    column = np.concatenate([rng.permutation(n_columns)[:n] for n in length])
    value = rng.integers(0, 5, len(column)).astype(np.float32)
    return sparse.csr_array((value, column, np.append(0, np.cumsum(length))), shape=(n_rows, n_columns))


def test_every_entry_is_there_once() -> None:
    matrix = long_tailed(500, 40)
    rebuilt, n_there = np.zeros((500, 41)), 0
    blocks = padded_rows(matrix)
    for block in blocks:
        rebuilt[block.row[:, np.newaxis], block.column] += block.value
        n_there += np.count_nonzero(block.column < 40)
    np.testing.assert_array_equal(rebuilt[:, :40], matrix.toarray())
    assert (rebuilt[:, 40] == 0).all()
    assert n_there == matrix.nnz
    assert sorted(np.concatenate([block.row for block in blocks])) == list(range(500))


def test_little_is_padding() -> None:
    matrix = long_tailed(5000, 300)
    cells = sum(block.column.size for block in padded_rows(matrix))
    assert cells < 1.4 * matrix.nnz


def test_blocks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CELLS", 60)
    blocks = padded_rows(long_tailed(300, 40))
    assert all(block.column.size <= 60 or len(block.row) == 1 for block in blocks)
    assert len(blocks) > 10


def test_nothing_stored_is_rows_of_no_length() -> None:
    (block,) = padded_rows(sparse.csr_array((3, 2), dtype=np.float32))
    assert block.column.shape == block.value.shape == (3, 0)
    assert padded_rows(sparse.csr_array((0, 2), dtype=np.float32)) == []
