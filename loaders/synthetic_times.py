"""When made-up users rate: in bursts of seconds, and some of them come back for years."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Read off ml-latest-small: gaps within a sitting, share of users who come back, gaps between sittings.
_SAME_SECOND = 0.16
_MEDIAN_GAP_S, _GAP_SPREAD = 13.0, 1.2
_COME_BACK = 0.4
_SITTING_ENDS = 0.07
_MEDIAN_ABSENCE_S, _ABSENCE_SPREAD = 7 * 86_400.0, 2.0

_YEAR_S = 365.2425 * 86_400
_EPOCH_YEAR = 1970


def draw_times(
    user: npt.NDArray[np.int64], arrival: npt.NDArray[np.float64], last_year: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Times at which ratings are given.

    Args:
        user: (n_ratings,) user_index, ascending.
        arrival: (n_users,) year of each user's first rating, with its fraction.
        last_year: No rating is later; later than every arrival.
        rng: Source of randomness.

    Returns:
        (n_ratings,) int64 seconds since 1970, ascending within each user.
    """
    n_users, n_ratings = len(arrival), len(user)
    ends = rng.exponential(_SITTING_ENDS, size=n_users) * (rng.uniform(size=n_users) < _COME_BACK)
    within = np.rint(_MEDIAN_GAP_S * np.exp(_GAP_SPREAD * rng.standard_normal(n_ratings)))
    within[rng.uniform(size=n_ratings) < _SAME_SECOND] = 0
    absence = _MEDIAN_ABSENCE_S * np.exp(_ABSENCE_SPREAD * rng.standard_normal(n_ratings))
    gap = np.where(rng.uniform(size=n_ratings) < ends[user], absence, within)
    first = np.searchsorted(user, np.arange(n_users))
    gap[first] = 0
    since_first = np.cumsum(gap) - np.cumsum(gap)[first][user]
    # Who would rate beyond the last year lives faster.
    span = np.maximum.reduceat(since_first, first)
    room = (last_year - arrival) * _YEAR_S
    since_first *= np.minimum(1.0, room / np.maximum(span, 1.0))[user]
    start = (arrival - _EPOCH_YEAR) * _YEAR_S
    return np.floor(start[user] + since_first).astype(np.int64)
