"""What a logging policy did and what came of it: the data of every off-policy estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
#: Probabilities may be kept in single precision.
ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class LoggedBandit:
    """Logged decisions, one a row; checked when made, so that no estimator meets data that cannot be.

    >>> log = LoggedBandit(action=np.array([0, 1]), reward=np.array([1.0, 0.0]), propensity=np.array([0.5, 0.5]))
    >>> log.n, log.n_units, log.n_actions
    (2, 2, 2)

    Attributes:
        action: (n,) int, the action taken, numbered from 0.
        reward: (n,) finite.
        propensity: (n,) probability with which the logging policy took this action here, above 0, at most 1.
        context: (n, d) finite numbers known before the action, for the reward model; None where there are none.
        unit: (n,) whom the row belongs to (user, list): integers or text. Rows of one unit may depend on each other;
            the intervals allow for it. Kept as indices 0 … n_units - 1. None: every row is a unit of its own.
        logging_policy: (n, k) probabilities of all actions where they were logged; with them, missing overlap is seen
            exactly. None where only the action's own was.

    Raises:
        DataError: Lengths differ, or a value is not as above.
    """

    action: Indices
    reward: Floats
    propensity: Floats
    context: Floats | None = None
    unit: npt.NDArray[Any] | None = None
    logging_policy: Floats | None = None

    def __post_init__(self) -> None:
        """Check and convert."""
        _set(self, "action", _whole("action", self.action))
        n = len(self.action)
        for name in ("reward", "propensity"):
            _set(self, name, _finite(name, getattr(self, name), (n,)))
        outside = int(np.count_nonzero((self.propensity <= 0) | (self.propensity > 1)))
        if outside:
            raise DataError(
                f"{outside} of {n} propensities are outside (0, 1]; an action that was taken had a chance above 0"
            )
        if self.context is not None:
            context = np.asarray(self.context, np.float64)
            _set(self, "context", _finite("context", context, (n, context.shape[1] if context.ndim == 2 else -1)))
        if self.unit is not None:
            _set(self, "unit", _unit_index(self.unit, n))
        if self.logging_policy is not None:
            _set(self, "logging_policy", _checked_logging(self.logging_policy, self.action, self.propensity))

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.action)

    @property
    def n_units(self) -> int:
        """Independent units."""
        return self.n if self.unit is None else int(self.unit.max(initial=-1)) + 1

    @property
    def n_actions(self) -> int:
        """Actions that the log knows of: the logging policy's, or the highest one taken and those before it."""
        return int(self.action.max(initial=-1)) + 1 if self.logging_policy is None else self.logging_policy.shape[1]


def check_probabilities(name: str, probabilities: npt.ArrayLike) -> Floats:
    """A table of probabilities, one distribution a row.

    Args:
        name: For the message.
        probabilities: (n, k).

    Raises:
        DataError: Another shape, a value that is not finite or negative, or a row that does not add up to 1.
    """
    table = np.asarray(probabilities, np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise DataError(f"{name} has shape {table.shape}, must be (n, k): a probability for each action")
    wrong = int(np.count_nonzero(~(np.abs(table.sum(axis=1) - 1) <= ROUNDING) | (table.min(axis=1) < 0)))
    if wrong:
        raise DataError(
            f"{wrong} of {len(table)} rows of {name} are no distribution; they must be >= 0 and add up to 1"
        )
    return table


def _set(log: LoggedBandit, name: str, value: npt.NDArray[Any]) -> None:
    object.__setattr__(log, name, value)


def _whole(name: str, values: npt.ArrayLike) -> Indices:
    found = np.asarray(values)
    if found.ndim != 1 or not (found.size == 0 or np.issubdtype(found.dtype, np.integer)):
        raise DataError(f"{name} has shape {found.shape} and type {found.dtype}, must be (n,) whole numbers")
    if found.size and found.min() < 0:
        raise DataError(f"{name} holds {found.min()}; actions are numbered from 0")
    return found.astype(np.int64)


def _finite(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    found = np.asarray(values, np.float64)
    if found.shape != shape:
        wanted = ", ".join("d" if size < 0 else str(size) for size in shape)
        raise DataError(f"{name} has shape {found.shape}, must be ({wanted}{',' * (len(shape) == 1)}) like action")
    wrong = int(np.count_nonzero(~np.isfinite(found)))
    if wrong:
        raise DataError(f"{wrong} values of {name} are not finite; leave those rows out first, and say so")
    return found


def _unit_index(unit: npt.ArrayLike, n: int) -> Indices:
    found = np.asarray(unit)
    if found.shape != (n,):
        raise DataError(f"unit has shape {found.shape}, must be ({n},) like action")
    if np.issubdtype(found.dtype, np.floating) and np.isnan(found).any():
        raise DataError("unit holds NaN; every row belongs to somebody")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _checked_logging(policy: npt.ArrayLike, action: Indices, propensity: Floats) -> Floats:
    table = check_probabilities("logging_policy", policy)
    if len(table) != len(action):
        raise DataError(f"logging_policy has {len(table)} rows, action {len(action)}; need as many")
    if action.max(initial=-1) >= table.shape[1]:
        raise DataError(f"action holds {action.max()}, logging_policy has {table.shape[1]} actions, numbered from 0")
    apart = int(np.count_nonzero(np.abs(table[np.arange(len(action)), action] - propensity) > ROUNDING))
    if apart:
        raise DataError(f"{apart} propensities differ from logging_policy's probability of the action; they must agree")
    return table
