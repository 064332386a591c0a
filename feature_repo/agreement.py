"""Whether two ways to the same features give the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Features that are closer than this are the same; both ways keep float32.
TOLERANCE = 1e-6


def disagreements(
    names: Sequence[str],
    ids: Sequence[object] | npt.NDArray[np.str_],
    expected: npt.NDArray[np.float32],
    found: npt.NDArray[np.float32],
    *,
    tolerance: float = TOLERANCE,
) -> list[str]:
    """Features that differ, a line each with the worst example.

    Args:
        names: n_features columns.
        ids: n rows; what a message calls each.
        expected: (n, n_features) float32, NaN = missing.
        found: Likewise. Missing on one side only is a difference.
        tolerance: Largest difference that is none, >= 0.

    Returns:
        Nothing where all agree, or where there are no rows.

    >>> disagreements(["age"], [17, 18], np.float32([[30], [np.nan]]), np.float32([[30], [41]]))
    ['age of 18 is 41, expected nan (1 of 2 rows differ)']
    """
    missing = np.isnan(expected) != np.isnan(found)
    with np.errstate(invalid="ignore"):
        apart = np.where(missing, np.inf, np.nan_to_num(np.abs(np.float64(expected) - found)))
    lines = []
    for column in np.flatnonzero((apart > tolerance).any(axis=0)).tolist():
        worst = int(apart[:, column].argmax())
        count = int((apart[:, column] > tolerance).sum())
        lines.append(
            f"{names[column]} of {ids[worst]} is {found[worst, column]:g}, expected {expected[worst, column]:g} "
            f"({count} of {len(ids)} rows differ)"
        )
    return lines
