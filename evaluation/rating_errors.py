"""How far foretold ratings are from the given ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class RatingErrors(NamedTuple):
    """Errors over n ratings, in rating units; 0 is perfect.

    Attributes:
        rmse: Root of the mean squared error, sqrt(sum (predicted - actual)^2 / n); NaN for no ratings.
        mae: Mean absolute error, sum |predicted - actual| / n; NaN for no ratings. At most ``rmse``.
        n: Ratings judged.
    """

    rmse: float
    mae: float
    n: int


def rating_errors(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> RatingErrors:
    """RMSE and MAE, every rating counting alike (not every user).

    Args:
        predicted: (n,) foretold ratings.
        actual: (n,) given ratings.

    Raises:
        ValueError: The arrays are not both (n,), or hold NaN or infinity: leaving such ratings out would flatter.

    >>> rating_errors([3.0, 4.0, 4.0, 2.0], [3.0, 5.0, 4.0, 5.0])
    RatingErrors(rmse=1.5811388300841898, mae=1.0, n=4)
    """
    foretold, given = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if foretold.shape != given.shape or foretold.ndim != 1:
        raise ValueError(f"predicted has shape {foretold.shape}, actual {given.shape}; both must be (n,)")
    error = foretold - given
    n_wrong = int(np.count_nonzero(~np.isfinite(error)))
    if n_wrong:
        raise ValueError(
            f"{n_wrong} of {error.size} errors are NaN or infinite; every rating needs a finite prediction"
        )
    if error.size == 0:
        return RatingErrors(float("nan"), float("nan"), 0)
    return RatingErrors(float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error))), error.size)
