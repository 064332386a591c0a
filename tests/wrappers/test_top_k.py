"""The k best of each row, against sorting in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from wrappers.top_k import _FEW, stored, top_k

#: Few values, so that ties are common, at the boundary too.
SCORE = st.sampled_from([float("nan"), -2.5, -1e-30, -0.0, 0.0, 1e-30, 0.5, 3.0, 3.4e38, -3.4e38])


ROWS = st.integers(1, 9).flatmap(lambda m: st.lists(st.lists(SCORE, min_size=m, max_size=m), min_size=1))


@given(rows=ROWS, k=st.integers(1, 12))
def test_ranks_like_a_stable_sort(rows: list[list[float]], k: int) -> None:
    scores = np.array(rows, np.float32)
    index, best = top_k(scores, k)
    assert index.shape == best.shape == (len(rows), k)
    for row, columns, values in zip(scores.tolist(), index.tolist(), best, strict=True):
        known = [column for column, score in enumerate(row) if not np.isnan(score)]
        expected = sorted(known, key=lambda column: (-row[column], column))[:k]
        assert columns == expected + [-1] * (k - len(expected))
        np.testing.assert_array_equal(values[: len(expected)], np.array(row, np.float32)[expected])
        assert np.isnan(values[len(expected) :]).all()


@given(rows=ROWS, k=st.integers(1, 12))
def test_few_rows_and_many_rank_alike(rows: list[list[float]], k: int) -> None:
    scores = np.array(rows, np.float32)
    few, many = top_k(scores, k), top_k(np.tile(scores, (_FEW + 1, 1)), k)
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(np.tile(one, (_FEW + 1, 1)), other)


def test_infinite_scores_rank_at_the_ends() -> None:
    index, _ = top_k(np.array([[0.0, -np.inf, np.inf, np.nan]], np.float32), 4)
    assert index.tolist() == [[2, 0, 1, -1]]


def test_no_rows_and_no_columns() -> None:
    assert top_k(np.empty((0, 5), np.float32), 3)[0].shape == (0, 3)
    assert top_k(np.empty((2, 0), np.float32), 3)[0].tolist() == [[-1] * 3] * 2


def test_the_scores_given_are_not_changed() -> None:
    scores = np.array([[0.0, -1.0, np.nan]], np.float32)
    before = scores.copy()
    top_k(scores, 2)
    np.testing.assert_array_equal(scores, before)


def test_stored_entries_of_rows_that_repeat_or_are_empty() -> None:
    matrix = sparse.csr_array(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]]))
    position, column = stored(matrix.indptr, matrix.indices, np.array([2, 1, 0, 2]))
    assert position.tolist() == [0, 2, 2, 3]
    assert column.tolist() == [1, 0, 2, 1]
