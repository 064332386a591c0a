"""Values and how often each was seen: all that quantiles and ranks need, merged exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Distinct values of one arm and their counts, as one GROUP BY gives them.

    Exact where moments are not: a quantile or a rank needs the whole distribution. Round what has too many digits
    (milliseconds, cents) before counting, and the table stays small however many rows there are.

    Attributes:
        values: (k,) float64, finite, ascending, each once.
        counts: (k,) int64, >= 1.
    """

    values: Floats
    counts: Counts

    @property
    def n(self) -> int:
        """Everything counted."""
        return int(self.counts.sum())

    def merge(self, other: ValueCounts) -> ValueCounts:
        """Both together.

        >>> ValueCounts.from_rows([1.0, 2.0]).merge(ValueCounts.from_rows([2.0])).counts.tolist()
        [1, 2]
        """
        return _counted(np.concatenate([self.values, other.values]), np.concatenate([self.counts, other.counts]))

    def quantile(self, level: float) -> float:
        """The value below which a share of ``level`` lies, interpolated between neighbours; NaN without any.

        The order statistic at rank 1 + (n - 1) level, as numpy's default has it (Hyndman & Fan 1996, American
        Statistician 50:361, definition 7).

        >>> ValueCounts.from_table([1.0, 5.0], [3, 1]).quantile(0.75)
        2.0

        Raises:
            ConfigError: level is not within 0 … 1.
        """
        if not 0 <= level <= 1:
            raise ConfigError(f"level == {level}, must be within 0 … 1")
        if len(self.values) == 0:
            return float("nan")
        reached = np.cumsum(self.counts)
        rank = (int(reached[-1]) - 1) * level
        below = int(rank)
        low, high = (
            float(self.values[min(int(np.searchsorted(reached, place, side="right")), len(self.values) - 1)])
            for place in (below, below + 1)
        )
        share = rank - below
        # A weighted mean, not low + share (high - low), whose difference may overflow.
        return low if share == 0 else low * (1 - share) + high * share

    @classmethod
    def empty(cls) -> ValueCounts:
        """Nothing counted yet."""
        return cls(np.zeros(0), np.zeros(0, np.int64))

    @classmethod
    def from_rows(cls, rows: npt.ArrayLike) -> ValueCounts:
        """Counts of rows at hand.

        >>> table = ValueCounts.from_rows([3.0, 1.0, 3.0])
        >>> table.values.tolist(), table.counts.tolist()
        ([1.0, 3.0], [1, 2])

        Args:
            rows: (n,) finite numbers.

        Raises:
            DataError: A number is not finite, or the shape is another.
        """
        values = np.asarray(rows, np.float64)
        return cls.from_table(values, np.ones(values.shape, np.int64))

    @classmethod
    def from_table(cls, values: npt.ArrayLike, counts: npt.ArrayLike) -> ValueCounts:
        """Counts as another tool grouped them, in any order; values that come twice are added up.

        Args:
            values: (k,) finite numbers.
            counts: (k,) whole numbers >= 0.

        Raises:
            DataError: A value is not finite, a count is no whole number >= 0, or the shapes do not fit.
        """
        value, count = np.asarray(values, np.float64), np.asarray(counts)
        if value.ndim != 1 or value.shape != count.shape:
            raise DataError(f"values has shape {value.shape}, counts {count.shape}; both must be (k,)")
        wrong = int(np.count_nonzero(~np.isfinite(value)))
        if wrong:
            raise DataError(f"{wrong} of {len(value)} values are not finite; leave them out first")
        whole = count.astype(np.int64) if np.isfinite(count).all() else np.full(len(count), -1)
        if (whole < 0).any() or (whole != count).any():
            raise DataError("counts must be whole numbers >= 0")
        return _counted(value[whole > 0], whole[whole > 0])


def _counted(values: Floats, counts: Counts) -> ValueCounts:
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order]
    if len(values) == 0:
        return ValueCounts(values, counts)
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return ValueCounts(values[first], np.add.reduceat(counts, first))
