"""Do events foretold with probability p happen in a share p of the cases? Reliability diagram, ECE and Brier score.

Counted in bins, so that parts of the data can be counted one after another and added up.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from evaluation.wilson import wilson_interval

#: Finer where recommenders live: few of the items a user has not seen are liked.
EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

FloatArray = npt.NDArray[np.float64]


class Foretold(NamedTuple):
    """Counts from which calibration follows; those of several parts add up.

    Attributes:
        edges: (n_bins + 1,) ascending from 0 to 1.
        n: (n_bins,) rows with a probability in the bin; its lower edge belongs to it, the last one's upper edge too.
        probability: (n_bins,) sum of their probabilities.
        positive: (n_bins,) how many of them happened.
        squared_error: Sum of (probability - label)² over all rows.
    """

    edges: FloatArray
    n: FloatArray
    probability: FloatArray
    positive: FloatArray
    squared_error: float

    @classmethod
    def of(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, edges: npt.ArrayLike = EDGES) -> Self:
        """Count rows.

        Args:
            labels: (n,) bool or 0 and 1: what happened.
            probabilities: (n,) 0 … 1: what was foretold. No rows give counts of 0.
            edges: (n_bins + 1,) bounds of the bins.

        Raises:
            ValueError: The shapes differ, a label is neither 0 nor 1, a probability is outside 0 … 1, or the edges do
                not ascend from 0 to 1.
        """
        label, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
        bounds = np.asarray(edges, np.float64)
        if label.shape != p.shape or label.ndim != 1 or not np.isin(label, (0.0, 1.0)).all():
            raise ValueError(f"labels has shape {label.shape}, probabilities {p.shape}; must be (n,), labels 0 or 1")
        if not ((p >= 0) & (p <= 1)).all():
            raise ValueError("probabilities must be 0 … 1")
        if bounds[0] != 0 or bounds[-1] != 1 or not (np.diff(bounds) > 0).all():
            raise ValueError(f"edges == {bounds.tolist()}, must ascend from 0 to 1")
        n_bins = len(bounds) - 1
        place = np.minimum(np.searchsorted(bounds, p, side="right") - 1, n_bins - 1)

        def summed(weights: FloatArray | None) -> FloatArray:
            return np.bincount(place, weights=weights, minlength=n_bins).astype(np.float64)

        return cls(bounds, summed(None), summed(p), summed(label), float(np.sum((p - label) ** 2)))

    def plus(self, other: Self) -> Self:
        """Counts of both.

        Raises:
            ValueError: The bins differ.
        """
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("the bins of both must be the same")
        return type(self)(
            self.edges,
            self.n + other.n,
            self.probability + other.probability,
            self.positive + other.positive,
            self.squared_error + other.squared_error,
        )


class Calibration(NamedTuple):
    """A reliability diagram and its figures.

    Attributes:
        n: (n_bins,) rows in the bin.
        foretold: (n_bins,) mean probability there; NaN in an empty bin.
        happened: (n_bins,) share of positives there; NaN in an empty bin.
        ci_lower: (n_bins,) lower end of the Wilson interval of that share.
        ci_upper: (n_bins,) upper end of it.
        ece: Expected calibration error: mean distance of foretold and happened, a bin weighing as many as it has rows
            (Naeini, Cooper & Hauskrecht 2015, there with bins of equal width). NaN without rows.
        brier: Mean squared distance of probability and label (Brier 1950). NaN without rows.
    """

    n: npt.NDArray[np.int64]
    foretold: FloatArray
    happened: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray
    ece: float
    brier: float


def calibration(counted: Foretold, *, alpha: float = 0.05) -> Calibration:
    """Compare what was foretold with what happened.

    Args:
        counted: From :meth:`Foretold.of`.
        alpha: Of the intervals, two-sided.

    Raises:
        ValueError: alpha is not in (0, 1).

    >>> found = calibration(Foretold.of([0, 1, 1, 1], [.2, .2, .8, .8], edges=[0, .5, 1]))
    >>> found.happened.tolist(), round(found.ece, 3), round(found.brier, 3)
    ([0.5, 1.0], 0.25, 0.19)
    """
    n = counted.n
    total = float(n.sum())
    foretold, happened = _ratio(counted.probability, n), _ratio(counted.positive, n)
    lower, upper = wilson_interval(counted.positive, n, alpha=alpha)
    nan = float("nan")
    gap = float(np.abs(counted.probability - counted.positive).sum())
    return Calibration(
        n.astype(np.int64),
        foretold,
        happened,
        lower,
        upper,
        ece=gap / total if total else nan,
        brier=counted.squared_error / total if total else nan,
    )


def _ratio(over: npt.NDArray[Any], under: npt.NDArray[Any]) -> FloatArray:
    share: FloatArray = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return share
