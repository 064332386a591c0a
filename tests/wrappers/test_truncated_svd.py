"""The randomised directions against numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from wrappers.truncated_svd import truncated_svd


def falling(n: int, m: int) -> np.ndarray:
    """(n, m) whose singular values halve."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((side, min(n, m))))[0] for side in (n, m))
    return (left * 0.5 ** np.arange(min(n, m))) @ right.T


@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_the_strongest_directions_are_found(shape: tuple[int, int]) -> None:
    matrix = falling(*shape)
    found = truncated_svd(aslinearoperator(matrix), 6, passes=2, seed=0)
    np.testing.assert_allclose(found.strength, 0.5 ** np.arange(6), rtol=1e-9)
    # What is left out is as long as the first direction left out.
    rest = matrix - (found.left * found.strength) @ found.right.T
    assert np.linalg.norm(rest, 2) == pytest.approx(0.5**6, rel=1e-6)


def test_a_small_matrix_is_rebuilt_whole() -> None:
    matrix = np.random.default_rng(1).random((5, 9))
    found = truncated_svd(aslinearoperator(matrix), 100, passes=0, seed=0)
    assert found.strength.shape == (5,)
    np.testing.assert_allclose((found.left * found.strength) @ found.right.T, matrix)


def test_sparse_float32_stays_float32() -> None:
    matrix = sparse.random_array((300, 200), density=0.1, dtype=np.float32, rng=0)
    found = truncated_svd(aslinearoperator(sparse.csr_array(matrix)), 5, passes=8, seed=0)
    assert found.left.dtype == np.float32
    exact = np.linalg.svd(matrix.toarray(), compute_uv=False)[:5]
    np.testing.assert_allclose(found.strength, exact, rtol=1e-2)
    np.testing.assert_allclose(found.right.T @ found.right, np.eye(5), atol=1e-5)


def test_a_product_need_not_be_made() -> None:
    left, right = np.random.default_rng(2).random((2, 50, 12))
    found = truncated_svd(aslinearoperator(left) @ aslinearoperator(right.T), 12, passes=2, seed=0)
    np.testing.assert_allclose((found.left * found.strength) @ found.right.T, left @ right.T)


def test_the_seed_decides() -> None:
    matrix = aslinearoperator(np.random.default_rng(3).random((50, 50)))
    one, same, other = (truncated_svd(matrix, 3, passes=1, seed=seed).left for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
