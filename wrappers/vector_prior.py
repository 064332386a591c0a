"""What is learned of a whole side of the ratings, so that whoever rated little can be told from the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import wishart

#: Of the Normal-Wishart hyperprior, for ratings in standard deviations: the mean is worth this many rows at 0 …
_MEAN_ROWS = 2.0
#: … and the precision is worth as many rows as a vector is wide, with this variance.
_VARIANCE = 0.1


class Prior(NamedTuple):
    """What a side's vectors are expected to be: x_r ~ N(mean_r, precision^-1).

    Attributes:
        mean: (n, width) float64, of each row its own.
        precision: (width, width) float64, positive definite.
    """

    mean: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]


class VectorPrior:
    """Draws the prior of n vectors from its conditional distribution given the vectors.

    Rows are alike up to what their traits tell (Salakhutdinov & Mnih 2008, eq. 5-7; with traits as Macau, Simm et al.
    2017, eq. 4-6):

        x_r ~ N(m + B'f_r, L^-1),   (m, L) ~ Normal-Wishart,   B_k ~ N(0, (penalty L)^-1),   penalty ~ Gamma(1, 1)

    Args:
        width: Numbers per vector.
        traits: (n, k) float64 of each row, whose columns are orthogonal, so that each column's coefficients can be
            drawn by themselves; k may be 0.
    """

    def __init__(self, width: int, traits: npt.NDArray[np.float64]) -> None:
        self._traits = traits
        self._lengths = np.einsum("nk,nk->k", traits, traits)
        self._coefficients = np.zeros((traits.shape[1], width))
        self._penalty = 1.0

    def draw(self, vectors: npt.NDArray[np.float32], rng: np.random.Generator) -> Prior:
        """One draw of (m, L), then of B, then of the penalty, each given the others.

        Args:
            vectors: (n, width) as last drawn.
            rng: Where chance comes from.
        """
        given = vectors.astype(np.float64)
        mean, precision = self._draw_normal(given - self._traits @ self._coefficients, rng)
        if self._traits.shape[1]:
            self._draw_coefficients(given - mean, precision, rng)
        return Prior(mean + self._traits @ self._coefficients, precision)

    def _draw_normal(
        self, rest: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        n, width = rest.shape
        centre = rest.mean(axis=0)
        around = rest - centre
        scatter = width * _VARIANCE * np.eye(width) + around.T @ around
        scatter += _MEAN_ROWS * n / (_MEAN_ROWS + n) * np.outer(centre, centre)
        scatter += self._penalty * self._coefficients.T @ self._coefficients
        inverse = np.linalg.inv(scatter)
        rows = width + n + len(self._coefficients)
        precision = np.asarray(wishart.rvs(rows, (inverse + inverse.T) / 2, random_state=rng))
        mean = n * centre / (_MEAN_ROWS + n)
        return mean + _normal(1, precision, rng)[0] / np.sqrt(_MEAN_ROWS + n), precision

    def _draw_coefficients(
        self, rest: npt.NDArray[np.float64], precision: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> None:
        n, width = self._coefficients.shape
        weight = (self._lengths + self._penalty)[:, np.newaxis]
        self._coefficients = self._traits.T @ rest / weight + _normal(n, precision, rng) / np.sqrt(weight)
        size = np.einsum("kd,de,ke->", self._coefficients, precision, self._coefficients)
        self._penalty = rng.gamma(1 + n * width / 2) / (1 + size / 2)


def _normal(n: int, precision: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(n, width) draws of N(0, precision^-1)."""
    lower = np.linalg.cholesky(precision)
    return np.linalg.solve(lower.T, rng.standard_normal((len(precision), n))).T
