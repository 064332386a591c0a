"""The score interval of a share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

FloatArray = npt.NDArray[np.float64]


def wilson_interval(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """Wilson's interval (1927, JASA 22:209-212), which stays within 0 … 1 and has a length also where all fail.

    With p the share, n the trials and z the normal quantile of 1 - alpha / 2:

        (p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n)

    Args:
        successes: (m,) 0 … trials.
        trials: (m,) counts; 0 gives NaN.
        alpha: Two-sided.

    Returns:
        Lower and upper ends, (m,) each.

    Raises:
        ValueError: alpha is not in (0, 1), or a count is out of range.

    >>> [end.round(4).tolist() for end in wilson_interval([0, 5], [10, 10])]
    [[0.0, 0.2366], [0.2775, 0.7634]]
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha == {alpha}, must be between 0 and 1")
    hits, n = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    if ((hits < 0) | (hits > n)).any():
        raise ValueError("successes must be 0 … trials")
    n = np.where(n > 0, n, np.nan)
    z = float(ndtri(1 - alpha / 2))
    share = hits / n
    middle = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not leave 0 … 1 where the interval touches its ends.
    lower, upper = ((middle + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return np.maximum(lower, 0.0), np.minimum(upper, 1.0)
