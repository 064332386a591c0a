"""What must be remembered of one arm: moments of its units' counts, never the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import DataError


@dataclass(frozen=True, eq=False)
class ClusterMoments:
    """Sufficient statistics of one arm whose units (clusters) bring several sessions over S steps.

    A unit u is the vector ``z_u = (y_u1 … y_uS, n_u1 … n_uS)``: sessions with a click and sessions, per step. Any
    linear function of the z_u has its sum and its sum of squares in these moments, which is all that a stratified,
    clustered analysis needs.

    Attributes:
        n_clusters: Units with at least one session.
        sums: (2S,) float64, sum of z_u over the units.
        cross: (2S, 2S) float64, sum of the outer products z_u z_uᵀ.
    """

    n_clusters: int
    sums: npt.NDArray[np.float64]
    cross: npt.NDArray[np.float64]

    @property
    def n_steps(self) -> int:
        """S."""
        return len(self.sums) // 2

    @property
    def clicks(self) -> npt.NDArray[np.float64]:
        """(S,) sessions with a click, per step."""
        return self.sums[: self.n_steps]

    @property
    def sessions(self) -> npt.NDArray[np.float64]:
        """(S,) sessions, per step."""
        return self.sums[self.n_steps :]

    def merge(self, other: ClusterMoments) -> ClusterMoments:
        """Both together; a unit must be in one of them only.

        Raises:
            DataError: The two do not have the same number of steps.
        """
        if self.n_steps != other.n_steps:
            raise DataError(f"cannot merge moments of {self.n_steps} and {other.n_steps} steps; use the same n_steps")
        return ClusterMoments(self.n_clusters + other.n_clusters, self.sums + other.sums, self.cross + other.cross)

    @classmethod
    def empty(cls, n_steps: int) -> ClusterMoments:
        """No unit yet."""
        return cls(0, np.zeros(2 * n_steps), np.zeros((2 * n_steps, 2 * n_steps)))

    @classmethod
    def from_rows(
        cls,
        unit_index: npt.ArrayLike,
        step: npt.ArrayLike,
        n: npt.ArrayLike,
        y: npt.ArrayLike,
        n_steps: int,
    ) -> ClusterMoments:
        """Moments from rows; a unit, and a unit's step, may occur in several rows, which add up.

        >>> moments = ClusterMoments.from_rows([0, 0, 1], [0, 1, 1], n=[2, 1, 3], y=[1, 1, 0], n_steps=2)
        >>> moments.n_clusters, moments.clicks.tolist(), moments.sessions.tolist()
        (2, [1.0, 1.0], [2.0, 4.0])

        Args:
            unit_index: (m,) int, dense from 0 (memory is its maximum times 2S).
            step: (m,) int, 0 … n_steps - 1.
            n: (m,) sessions of the row, >= 0.
            y: (m,) sessions of the row with a click, 0 … n.
            n_steps: S, >= 1.

        Returns:
            The moments; of no rows: ``empty(n_steps)``.

        Raises:
            DataError: Arrays of different lengths, a step or unit out of range, or y outside 0 … n.
        """
        unit, step_index = np.asarray(unit_index, np.int64), np.asarray(step, np.int64)
        sessions, clicked = np.asarray(n, np.float64), np.asarray(y, np.float64)
        _check_rows(unit, step_index, sessions, clicked, n_steps)
        if len(unit) == 0:
            return cls.empty(n_steps)
        cell = unit * n_steps + step_index
        shape = (int(unit.max()) + 1, n_steps)
        z: npt.NDArray[np.float64] = np.hstack(
            [
                np.bincount(cell, weights=clicked, minlength=shape[0] * n_steps).reshape(shape),
                np.bincount(cell, weights=sessions, minlength=shape[0] * n_steps).reshape(shape),
            ]
        )
        seen = int(np.count_nonzero(z[:, n_steps:].any(axis=1)))
        return cls(seen, z.sum(axis=0), z.T @ z)


def _check_rows(
    unit: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    n: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    n_steps: int,
) -> None:
    if not len(unit) == len(step) == len(n) == len(y):
        raise DataError(f"unit_index, step, n, y have {len(unit)}, {len(step)}, {len(n)}, {len(y)} rows; need as many")
    if len(unit) == 0:
        return
    if unit.min() < 0:
        raise DataError(f"unit_index holds {unit.min()}; units are numbered from 0")
    if step.min() < 0 or step.max() >= n_steps:
        raise DataError(f"step runs from {step.min()} to {step.max()}; allowed are 0 … {n_steps - 1}")
    if not bool(((y >= 0) & (y <= n)).all()):
        raise DataError("y must lie in 0 … n in every row: a session counts one click at most")
