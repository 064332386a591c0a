"""Moments of an arm's units: all that means, ratios and their covariates need to be compared, never the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Floats = npt.NDArray[np.float64]
#: Sums of squares that differ by no more than this share may differ by rounding alone.
_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Moments:
    """Sufficient statistics of p numbers that each unit of one arm brings, e.g. clicks and impressions.

    Centred, because the sum of squares of a billion revenues keeps no digit of their variance. What a float does not
    hold becomes infinite or NaN, without a warning; estimates of it are ``not_finite``.

    Attributes:
        n: Units, >= 0.
        mean: (p,) float64; NaN without units.
        cross: (p, p) float64, sum over the units of the outer product of their deviations from the mean.
    """

    n: int
    mean: Floats
    cross: Floats

    @property
    def size(self) -> int:
        """The numbers that a unit brings, p."""
        return len(self.mean)

    @property
    def covariance(self) -> Floats:
        """(p, p) sample covariance, divided by n - 1; NaN with fewer than two units."""
        return self.cross / (self.n - 1) if self.n > 1 else np.full_like(self.cross, np.nan)

    def column(self, *columns: int) -> Moments:
        """The moments of some of the numbers, in the order asked for."""
        chosen = np.array(columns)
        return Moments(self.n, self.mean[chosen], self.cross[np.ix_(chosen, chosen)])

    def merge(self, other: Moments) -> Moments:
        """Both together; a unit must be in one of them only (Chan, Golub & LeVeque 1979, eq. 2.1).

        >>> Moments.from_rows([[1.0], [2.0]]).merge(Moments.from_rows([[6.0]])).mean.tolist()
        [3.0]

        Raises:
            DataError: The units of the two do not bring as many numbers.
        """
        if self.size != other.size:
            raise DataError(f"cannot merge moments of {self.size} and {other.size} numbers a unit; use the same metric")
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        with np.errstate(over="ignore", invalid="ignore"):
            apart = other.mean - self.mean
            cross = self.cross + other.cross + np.outer(apart, apart) * (self.n / n * other.n)
            return Moments(n, self.mean + apart * (other.n / n), cross)

    @classmethod
    def empty(cls, size: int = 1) -> Moments:
        """No unit yet."""
        return cls(0, np.full(size, np.nan), np.zeros((size, size)))

    @classmethod
    def from_rows(cls, rows: npt.ArrayLike) -> Moments:
        """Moments of units at hand.

        >>> moments = Moments.from_rows([[1.0, 2.0], [3.0, 2.0]])
        >>> moments.n, moments.mean.tolist(), moments.covariance[0, 0].item()
        (2, [2.0, 2.0], 2.0)

        Args:
            rows: (n, p), or (n,) for p = 1.

        Raises:
            DataError: A number is not finite, or the shape is another.
        """
        table = np.asarray(rows, np.float64)
        table = table[:, np.newaxis] if table.ndim == 1 else table
        if table.ndim != 2:
            raise DataError(f"rows has shape {table.shape}, must be (n,) or (n, p)")
        wrong = int(np.count_nonzero(~np.isfinite(table).all(axis=1)))
        if wrong:
            raise DataError(f"{wrong} of {len(table)} units have a number that is not finite; leave them out first")
        if len(table) == 0:
            return cls.empty(table.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            mean = table.mean(axis=0)
            apart = table - mean
            return cls(len(table), mean, apart.T @ apart)

    @classmethod
    def from_sums(cls, n: int, sums: Sequence[float], products: npt.ArrayLike) -> Moments:
        """Moments from plain sums, as other tools keep them.

        >>> Moments.from_sums(3407, [1396.87], [[52377.9767]]).mean.round(2).tolist()
        [0.41]

        Args:
            n: Units.
            sums: (p,) sum of each number.
            products: (p, p) sums of products, the squares on the diagonal.

        Raises:
            DataError: The shapes do not fit, n is negative, or a sum of squares is smaller than its sum allows.
        """
        total, square = np.asarray(sums, np.float64), np.asarray(products, np.float64)
        if total.ndim != 1 or square.shape != (len(total), len(total)):
            raise DataError(f"sums has shape {total.shape}, products {square.shape}; must be (p,) and (p, p)")
        if n < 0:
            raise DataError(f"n == {n}, must be >= 0")
        if n == 0:
            return cls.empty(len(total))
        mean = total / n
        with np.errstate(over="ignore", invalid="ignore"):
            cross = square - np.outer(mean, total)
        slack = _ROUNDING * np.diag(square)
        if (np.diag(cross) < -slack).any():
            raise DataError(
                f"sums of squares {np.diag(square).tolist()} are too small for n == {n} and sums {total.tolist()}"
            )
        # What rounding may have made of nothing is nothing.
        nothing = np.abs(np.diag(cross)) <= slack
        cross[nothing, :] = cross[:, nothing] = 0.0
        return cls(n, mean, cross)
