"""Rewards as they come in, checked: one by one, many at once, or already summed."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Floats = npt.NDArray[np.float64]
#: ``binary``: 0 or 1; ``unit``: 0 … 1; ``real``: any finite number.
RewardKind = Literal["binary", "unit", "real"]

#: Beyond this a square is no longer a number.
_LARGEST = 1e100
_WANTED = {"binary": "0 or 1", "unit": "a number in 0 … 1", "real": f"a number within ±{_LARGEST:g}"}


class RewardSums(NamedTuple):
    """Sums of rewards, each (m,) float64: one row an arm, or a reward where nothing was summed."""

    n: Floats
    sums: Floats
    squares: Floats


def checked_reward(reward: float, kind: RewardKind) -> float:
    """One reward as a number.

    Raises:
        DataError: It is NaN, infinite or not of the kind.
    """
    try:
        value = float(reward)
    except (TypeError, ValueError) as error:
        raise DataError(f"reward == {reward!r}, must be {_WANTED[kind]}") from error
    if kind == "binary":
        good = value in (0.0, 1.0)
    elif kind == "unit":
        good = 0.0 <= value <= 1.0
    else:
        good = math.fabs(value) <= _LARGEST
    if not good:
        raise DataError(f"reward == {reward}, must be {_WANTED[kind]}")
    return value


def checked_rewards(rewards: npt.ArrayLike, kind: RewardKind) -> RewardSums:
    """Rewards one by one, as sums over one each.

    Args:
        rewards: (m,).
        kind: What a reward may be.

    Raises:
        DataError: A reward is NaN, infinite or not of the kind, or the shape is another.
    """
    values = np.asarray(rewards, np.float64)
    if values.ndim != 1:
        raise DataError(f"rewards has shape {values.shape}, must be (m,)")
    if kind == "binary":
        good = (values == 0) | (values == 1)
    else:
        good = (values >= 0) & (values <= 1) if kind == "unit" else np.abs(values) <= _LARGEST
    if not good.all():
        wrong = np.flatnonzero(~good)
        raise DataError(f"reward == {values[wrong[0]]} in row {wrong[0]} ({len(wrong)} such), must be {_WANTED[kind]}")
    return RewardSums(np.ones(len(values)), values, values * values)


def checked_sums(
    counts: npt.ArrayLike, sums: npt.ArrayLike, squares: npt.ArrayLike | None, kind: RewardKind
) -> RewardSums:
    """Rewards that somebody else has summed.

    Args:
        counts: (m,) rewards in each sum, whole numbers >= 0.
        sums: (m,).
        squares: (m,) sums of the squares; may be left out for 0/1 rewards, which are their own squares.
        kind: What a single reward may be.

    Raises:
        DataError: Numbers that no such rewards have.
    """
    n, total = np.asarray(counts, np.float64), np.asarray(sums, np.float64)
    if squares is None and kind != "binary":
        raise DataError("sum_squares is missing; rewards that are not 0 or 1 need it beside counts")
    square = total if squares is None else np.asarray(squares, np.float64)
    if not (n.ndim == 1 and n.shape == total.shape == square.shape):
        raise DataError(f"counts, sums, squares have shapes {n.shape}, {total.shape}, {square.shape}; must all be (m,)")
    good = np.isfinite(n) & (n >= 0) & (n == np.floor(n)) & (np.abs(total) <= _LARGEST) & (square <= _LARGEST)
    # (Σr)² <= n Σr², but for rounding.
    good &= total * total <= n * square * (1 + 1e-9)
    if kind != "real":
        good &= (total >= 0) & (total <= n)
    if kind == "binary":
        good &= (total == np.floor(total)) & (square == total)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"row {row}: {n[row]:g} rewards with sum {total[row]:g} and squares {square[row]:g} cannot be; "
            f"each must be {_WANTED[kind]}"
        )
    return RewardSums(n, total, square)
