"""Draws of a side's prior against the moments that the papers' equations give."""

from __future__ import annotations

import numpy as np

from wrappers.vector_prior import VectorPrior

N, WIDTH, DRAWS = 40, 3, 1000


def vectors_of(traits: np.ndarray, coefficients: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed).normal(0, noise, (len(traits), coefficients.shape[1]))
    return (1.0 + traits @ coefficients + chance).astype(np.float32)


def test_mean_and_precision_have_their_normal_wishart_moments() -> None:
    nothing = np.empty((N, 0))
    vectors = vectors_of(nothing, np.empty((0, WIDTH)), 0.5)
    rng = np.random.default_rng(1)
    drawn = [VectorPrior(WIDTH, nothing).draw(vectors, rng) for _ in range(DRAWS)]
    # Salakhutdinov & Mnih (2008), eq. 14: mean 0 worth 2 rows, variance .1 worth as many rows as numbers.
    centre = vectors.mean(axis=0, dtype=np.float64)
    around = vectors - centre
    scale = np.linalg.inv(WIDTH * 0.1 * np.eye(WIDTH) + around.T @ around + 2 * N / (2 + N) * np.outer(centre, centre))
    expected = (WIDTH + N) * scale
    # A Wishart element's variance is n (s_ij^2 + s_ii s_jj); five standard errors of the mean.
    diagonal = np.diagonal(scale)
    error = np.sqrt((WIDTH + N) * (scale**2 + np.outer(diagonal, diagonal)) / DRAWS)
    assert (np.abs(np.mean([one.precision for one in drawn], axis=0) - expected) < 5 * error).all()
    means = np.array([one.mean[0] for one in drawn])
    np.testing.assert_allclose(means.mean(axis=0), N * centre / (2 + N), atol=5 * means.std() / np.sqrt(DRAWS))
    # A Student distribution's covariance: that of the mean given the precision, averaged over the precision.
    np.testing.assert_allclose(
        np.cov(means.T), np.linalg.inv(scale) / (N + 2) / (N - 1), atol=0.15 * means.var(axis=0).max()
    )


def test_every_row_without_traits_has_the_same_mean() -> None:
    prior = VectorPrior(WIDTH, np.empty((N, 0))).draw(np.ones((N, WIDTH), np.float32), np.random.default_rng(0))
    assert prior.mean.shape == (N, WIDTH)
    assert (prior.mean == prior.mean[0]).all()


def test_traits_move_the_mean_as_far_as_the_vectors_say() -> None:
    traits = np.linalg.qr(np.random.default_rng(2).normal(size=(400, 2)))[0] * 20
    coefficients = np.array([[0.5, -0.3, 0.0], [0.0, 0.2, -0.4]])
    vectors = vectors_of(traits, coefficients, 0.1)
    prior, rng = VectorPrior(WIDTH, traits), np.random.default_rng(3)
    means = np.mean([prior.draw(vectors, rng).mean for _ in range(200)][20:], axis=0)
    # The coefficients' standard error is .1 / 20.
    np.testing.assert_allclose(means, 1.0 + traits @ coefficients, atol=0.1)


def test_traits_that_tell_nothing_move_it_little() -> None:
    rng = np.random.default_rng(4)
    traits = np.linalg.qr(rng.normal(size=(60, 30)))[0] * 5
    vectors = rng.normal(0, 1, (60, WIDTH)).astype(np.float32)
    prior = VectorPrior(WIDTH, traits)
    means = np.mean([prior.draw(vectors, rng).mean for _ in range(300)][50:], axis=0)
    fitted = traits @ np.linalg.lstsq(traits, vectors, rcond=None)[0]
    assert means.var() < 0.5 * fitted.var()
