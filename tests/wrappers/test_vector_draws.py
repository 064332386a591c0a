"""A draw of vectors against the conditional distribution written out densely."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

from wrappers.padded_rows import padded_rows
from wrappers.vector_draws import Drawn, draw_vectors
from wrappers.vector_prior import Prior

WIDTH, N_COLUMNS = 4, 7


class Setting:
    """Rows of different lengths, repeated, so that the draws of a row's copies tell its distribution."""

    def __init__(self, copies: int) -> None:
        rng = np.random.default_rng(0)
        there = rng.random((5, N_COLUMNS)) < np.array([0.0, 0.2, 0.5, 0.8, 1.0])[:, np.newaxis]
        self.ratings = np.tile(np.where(there, rng.normal(size=there.shape), np.nan), (copies, 1))
        self.columns = rng.normal(size=(N_COLUMNS, WIDTH)).astype(np.float32)
        precision = rng.normal(size=(WIDTH, WIDTH))
        mean = np.tile(rng.normal(size=(5, WIDTH)), (copies, 1))
        self.prior = Prior(mean, precision @ precision.T + np.eye(WIDTH))
        self.row_precision = np.tile(rng.uniform(0.5, 3, 5), copies)
        self.column_precision = rng.uniform(0.5, 2, N_COLUMNS)

    def drawn(self, seed: int = 0, threads: int = 2) -> Drawn:
        row, column = np.nonzero(~np.isnan(self.ratings))
        matrix = sparse.csr_array((self.ratings[row, column], (row, column)), shape=self.ratings.shape)
        with ThreadPoolExecutor(threads) as pool:
            return draw_vectors(
                padded_rows(matrix),
                self.prior,
                self.columns,
                self.row_precision,
                self.column_precision,
                np.random.default_rng(seed),
                pool,
            )

    def dense(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of a row's vector by eq. 11-13 of Salakhutdinov & Mnih (2008)."""
        rated = ~np.isnan(self.ratings[row])
        z = np.column_stack([self.columns[rated, :-1], np.ones(rated.sum())]).astype(np.float64)
        weight = self.row_precision[row] * self.column_precision[rated]
        target = self.ratings[row, rated] - self.columns[rated, -1]
        covariance = np.linalg.inv(self.prior.precision + z.T @ (weight[:, np.newaxis] * z))
        return covariance @ (self.prior.precision @ self.prior.mean[row] + z.T @ (weight * target)), covariance


def test_means_equal_the_dense_ones() -> None:
    setting = Setting(copies=1)
    exact = np.array([setting.dense(row)[0] for row in range(5)])
    np.testing.assert_allclose(setting.drawn().means, exact, rtol=2e-4, atol=2e-5)


def test_draws_have_the_dense_mean_and_covariance() -> None:
    copies = 20_000
    setting = Setting(copies)
    vectors = setting.drawn().vectors.reshape(copies, 5, WIDTH).astype(np.float64)
    for row in range(5):
        mean, covariance = setting.dense(row)
        deviation = np.sqrt(np.diagonal(covariance))
        standard = (vectors[:, row] - mean) / deviation
        correlation = covariance / np.outer(deviation, deviation)
        # Five standard errors: of a mean 1 / sqrt(n), of a second moment at most sqrt(2 / n).
        np.testing.assert_allclose(standard.mean(axis=0), 0, atol=5 / np.sqrt(copies))
        np.testing.assert_allclose(standard.T @ standard / copies, correlation, atol=5 * np.sqrt(2 / copies))


def test_a_row_without_ratings_is_drawn_from_its_prior() -> None:
    setting = Setting(copies=1)
    assert np.isnan(setting.ratings[0]).all()
    np.testing.assert_allclose(setting.drawn().means[0], setting.prior.mean[0], rtol=1e-4)


def test_squared_errors_are_those_of_the_draws() -> None:
    setting = Setting(copies=2)
    drawn = setting.drawn()
    design = np.column_stack([setting.columns[:, :-1], np.ones(N_COLUMNS)])
    errors = setting.ratings - drawn.vectors @ design.T - setting.columns[:, -1]
    expected = np.nansum(setting.column_precision * errors**2, axis=1)
    np.testing.assert_allclose(drawn.squared_errors, expected, rtol=1e-4, atol=1e-5)


def test_threads_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrappers.padded_rows._CELLS", 50)
    setting = Setting(copies=20)
    for one, four in zip(setting.drawn(threads=1), setting.drawn(threads=4), strict=True):
        np.testing.assert_array_equal(one, four)


def test_the_seed_does() -> None:
    setting = Setting(copies=1)
    assert not np.array_equal(setting.drawn(seed=1).vectors, setting.drawn(seed=2).vectors)
