"""Sessions: events of a unit without a long pause between them, and metrics per session."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.inference.moments import Moments

#: Half an hour, as web analytics has it since the 1990s.
IDLE_GAP = 1800


def session_numbers(
    units: npt.ArrayLike, timestamps: npt.ArrayLike, *, idle_gap: int = IDLE_GAP
) -> npt.NDArray[np.int64]:
    """The session of each event: a new one begins where a unit has been idle for longer than ``idle_gap``.

    >>> session_numbers([1, 2, 1, 1], [0, 10, 1800, 3601]).tolist()
    [0, 2, 0, 1]

    Args:
        units: (n,) whole numbers, the unit of each event, in any order.
        timestamps: (n,) int, its time in whole seconds.
        idle_gap: Seconds; a pause of exactly as many does not end a session. Must be > 0.

    Returns:
        (n,) int64, numbered from 0 by unit, then time; empty without events.

    Raises:
        ConfigError: idle_gap is not above 0.
        DataError: Not one whole timestamp per unit.
    """
    if not idle_gap > 0:
        raise ConfigError(f"idle_gap == {idle_gap}, must be a number of seconds above 0")
    unit, time = np.asarray(units), np.asarray(timestamps)
    if unit.shape != time.shape or unit.ndim != 1:
        raise DataError(f"units has shape {unit.shape}, timestamps {time.shape}; must both be (n,)")
    if time.size and time.dtype.kind not in "iu":
        raise DataError(f"timestamps are {time.dtype}, must be whole seconds; convert them first")
    time = time.astype(np.int64)
    order = np.lexsort((time, unit))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (unit[order][1:] != unit[order][:-1]) | (np.diff(time[order]) > idle_gap)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return numbers


def session_moments(
    units: npt.ArrayLike, sessions: npt.ArrayLike, rewards: npt.ArrayLike, *, n_units: int | None = None
) -> Moments:
    """Moments of one arm's pairs (reward, sessions) per unit, for metrics per session that know who is randomised.

    ``ratio_estimate`` makes the reward per session of it, by the delta method; ``mean_estimate`` the reward per unit;
    ``mean_estimate(moments.column(1))`` the sessions per unit.

    >>> moments = session_moments([1, 1, 2], [0, 1, 2], [1.0, 0.0, 1.0])
    >>> moments.n, moments.mean.tolist()
    (2, [1.0, 1.5])

    Args:
        units: (n,) whole numbers, the unit of each event.
        sessions: (n,) int, its session; one session belongs to one unit.
        rewards: (n,) what it brings; NaN and infinite ones are refused.
        n_units: Units assigned to the arm, those that never came included; None: those that came. Sessions per unit is
            a fair comparison with the former only: the treatment may change who comes.

    Returns:
        Moments of two numbers a unit; empty without units.

    Raises:
        DataError: The shapes do not fit, a session has two units, a reward is not finite, or fewer units were assigned
            than came.
    """
    unit, session, reward = np.asarray(units), np.asarray(sessions), np.asarray(rewards, np.float64)
    if not unit.shape == session.shape == reward.shape or unit.ndim != 1:
        raise DataError(
            f"units has shape {unit.shape}, sessions {session.shape}, rewards {reward.shape}; must all be (n,)"
        )
    if not np.isfinite(reward).all():
        raise DataError(f"{np.count_nonzero(~np.isfinite(reward))} rewards are not finite; leave their units out first")
    came, place = np.unique(unit, return_inverse=True)
    if n_units is not None and n_units < len(came):
        raise DataError(f"n_units == {n_units}, but {len(came)} units have events; count everybody who was assigned")
    _, first_event, which = np.unique(session, return_index=True, return_inverse=True)
    owner = place[first_event]
    if (owner[which] != place).any():
        raise DataError("a session holds events of two units; number sessions by session_numbers")
    n = len(came) if n_units is None else n_units
    pairs = np.zeros((n, 2))
    pairs[: len(came), 0] = np.bincount(place, reward, len(came))
    pairs[: len(came), 1] = np.bincount(owner, minlength=len(came))
    return Moments.from_rows(pairs)
