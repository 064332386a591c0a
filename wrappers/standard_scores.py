"""Scores of different models on one scale, user by user."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def standard_scores(scores: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """How many standard deviations each score is above the mean of the same user's unseen items.

    An item that the model cannot score counts 0, or where it gives scores below 0 the least of them: a neighbour model
    that found no neighbours says "nothing speaks for it", not "I do not know". A row depends on nothing but itself.

    Args:
        scores: (n, n_items) float32, NaN = cannot score.
        seen: (n, n_items) bool, True where the user rated the item, which is left out of mean and deviation.

    Returns:
        (n, n_items) float32 without NaN; 0 in rows whose unseen items all score the same, or cannot be scored.

    >>> standard_scores(np.array([[1, 3, np.nan, 9]], np.float32), np.array([[False, False, False, True]])).round(2)
    array([[-0.27,  1.34, -1.07,  6.15]], dtype=float32)
    """
    values = scores.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    unseen = ~seen
    least = np.where(unseen, values, np.inf)
    least[np.isnan(least)] = np.inf
    lowest = least.min(axis=1, initial=np.inf)
    lowest = np.minimum(lowest, 0.0)
    values = np.where(np.isnan(values), lowest[:, np.newaxis], values)
    n_unseen = np.maximum(unseen.sum(axis=1), 1)
    mean = np.where(unseen, values, 0.0).sum(axis=1) / n_unseen
    values -= mean[:, np.newaxis]
    deviation = np.sqrt(np.where(unseen, values * values, 0.0).sum(axis=1) / n_unseen)
    # What differs by rounding alone is the same.
    flat = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
    values /= np.where(flat, np.inf, deviation)[:, np.newaxis]
    standard: npt.NDArray[np.float32] = values.astype(np.float32)
    return standard
