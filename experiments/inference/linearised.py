"""Ratios of sums as means: moments of the numbers whose mean and variance are the ratio's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import DataError
from experiments.inference.moments import Moments


def linearised(moments: Moments, columns: Sequence[tuple[int, int | None]]) -> Moments:
    """Moments of ratios, so that whatever is done with means can be done with them.

    A ratio R = m̄ / d̄ becomes the mean of R + (m - R d) / d̄ over the units, which is its first-order expansion (delta
    method; Deng, Knoblich & Lu 2018, KDD, arXiv 1803.06336, eq. 3): ``mean_estimate`` of it is ``ratio_estimate``.

    >>> rows = [[1.0, 2.0], [1.0, 4.0], [3.0, 6.0]]
    >>> linearised(Moments.from_rows(rows), [(0, 1)]).mean.round(4).tolist()
    [0.4167]

    Args:
        moments: Of p numbers a unit.
        columns: For each number of the result, numerator and denominator in it, or a column and None to take it as it
            is.

    Returns:
        Moments of ``len(columns)`` numbers; NaN where denominators add up to 0.

    Raises:
        DataError: There is no such column.
    """
    known = range(moments.size)
    for one, two in columns:
        if one not in known or (two is not None and two not in known):
            raise DataError(f"columns == {list(columns)}, must lie in 0 … {moments.size - 1}")
    if moments.n == 0:
        return Moments.empty(len(columns))
    mean, slopes = np.full(len(columns), np.nan), np.zeros((len(columns), moments.size))
    for place, (one, two) in enumerate(columns):
        if two is None:
            mean[place], slopes[place, one] = moments.mean[one], 1.0
            continue
        under = float(moments.mean[two])
        if under == 0:
            slopes[place] = np.nan
            continue
        mean[place] = moments.mean[one] / under
        slopes[place, one] += 1 / under
        slopes[place, two] -= mean[place] / under
    # Infinite moments are told by what is made of them.
    with np.errstate(invalid="ignore"):
        return Moments(moments.n, mean, slopes @ moments.cross @ slopes.T)
