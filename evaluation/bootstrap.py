"""Means over users redrawn with replacement: the one resampling that every interval here is made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Weights held at once. Bounds the memory at about 40 MB however many users and resamples there are.
_BLOCK = 2_000_000


def bootstrap_means(values: npt.NDArray[np.float64], *, n_resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Column means of n rows drawn from n rows with replacement, many times over.

    Every column is weighed by the same draws, so that columns stay paired. A resample is a multinomial count of
    how often each row was drawn (Efron & Tibshirani 1993, section 6.2).

    Args:
        values: (n, m) float64 without NaN, n >= 1.
        n_resamples: Number of resamples, at least 1.
        seed: The same seed and shape give the same draws.

    Returns:
        (n_resamples, m) float64.
    """
    n, m = values.shape
    rng = np.random.default_rng(seed)
    means = np.empty((n_resamples, m))
    block = max(1, _BLOCK // n)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        drawn = rng.integers(0, n, size=(size, n))
        # One bincount for the whole block: rows of different resamples get numbers of their own.
        drawn += np.arange(size)[:, np.newaxis] * n
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        means[start : start + size] = weights.astype(np.float64) @ values / n
    return means


def check_resampling(n_resamples: int, alpha: float) -> None:
    """Refuse settings no interval can be made from.

    Raises:
        ValueError: alpha is not between 0 and 1, or there are too few resamples to see an alpha / 2 tail.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha == {alpha}, must be between 0 and 1")
    if n_resamples * alpha / 2 < 1:
        raise ValueError(f"n_resamples == {n_resamples}, must be >= {int(np.ceil(2 / alpha))} for alpha == {alpha}")
