"""Where a policy keeps its sums: rewards add up, in whatever order they come."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError

Floats = npt.NDArray[np.float64]
#: From a weight for each reward of a batch, or None for 1, to the (slots, columns) sums of the batch.
Aggregate = Callable[[Floats | None], Floats]


class Memory:
    """Sums that forget nothing; the base of those that do.

    A slot is an arm that is or was; a column is one number that adds up, e.g. the rewards' squares.

    Args:
        slots: Arms, >= 0.
        columns: Numbers kept of each, >= 1.
    """

    #: Whether a reward's time changes what it counts.
    forgets = False

    def __init__(self, slots: int, columns: int) -> None:
        self.totals: Floats = np.zeros((slots, columns))

    def grow(self) -> None:
        """One slot more, with nothing in it."""
        self.totals = grown(self.totals)

    def advance(self, at: float | None) -> bool:
        """Let time pass; True if that changed what is remembered.

        Args:
            at: The caller's time, in any unit; earlier than what is known changes nothing.
        """
        return False

    def add_one(self, slot: int, row: Floats, at: float | None) -> None:
        """Add one reward's (columns,) numbers, which belong to a decision made at that time."""
        self.totals[slot] += row

    def add(self, aggregate: Aggregate, at: Floats | None) -> None:
        """Add a batch.

        Args:
            aggregate: Gives the sums of the batch, once the weights of its rewards are known.
            at: (m,) the decisions' times; None where they do not matter.
        """
        self.totals = self.totals + aggregate(None)

    def state(self) -> dict[str, Any]:
        """JSON-able content; the settings are the policy's."""
        return {"totals": self.totals.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave."""
        self.totals = table(state["totals"], self.totals.shape)


def table(rows: Any, shape: tuple[int, ...]) -> Floats:
    """Numbers of a state, checked.

    Raises:
        DataError: They have another shape.
    """
    numbers = np.asarray(rows, np.float64)
    if numbers.size == 0 == math.prod(shape):
        return np.zeros(shape)
    if numbers.shape != shape:
        raise DataError(f"state holds numbers of shape {numbers.shape}, must be {shape}: it is another policy's")
    return numbers


def grown(rows: Floats) -> Floats:
    """The rows and one of zeros."""
    return np.concatenate([rows, np.zeros((1, rows.shape[1]))])


def checked_time(at: float | None, needed: bool) -> float | None:
    """The time of a decision.

    Raises:
        ConfigError: It is needed and missing.
        DataError: It is not finite.
    """
    if at is None:
        if needed:
            raise ConfigError("at is missing: a policy that forgets needs the time of each decision")
        return None
    if not math.isfinite(at):
        raise DataError(f"at == {at}, must be a finite number")
    return float(at)


def checked_times(at: npt.ArrayLike | None, rows: int, needed: bool) -> Floats | None:
    """(rows,) times of decisions, given as such or as one for all.

    Raises:
        ConfigError: They are needed and missing.
        DataError: One is not finite, or the number of them is another.
    """
    if at is None:
        checked_time(None, needed)
        return None
    given = np.asarray(at, np.float64)
    times = np.full(rows, given) if given.ndim == 0 else given
    if times.shape != (rows,) or not np.isfinite(times).all():
        raise DataError(f"at has shape {times.shape}, must be {rows} finite numbers, or one for all")
    return times
