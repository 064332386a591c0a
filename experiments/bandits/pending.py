"""Decisions whose reward has not come yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import DataError


class Decision(NamedTuple):
    """What must be known of a decision when its reward comes, however late.

    Attributes:
        arm: The arm chosen.
        context: Its features; None for policies without.
        at: The caller's time of the decision, if one was given.
    """

    arm: str
    context: tuple[float, ...] | None
    at: float | None


class Pending:
    """Open decisions by id; each gets one reward.

    >>> pending = Pending()
    >>> pending.open("d1", Decision("a", None, 3.0))
    >>> pending.close("d1").arm, len(pending)
    ('a', 0)
    """

    def __init__(self) -> None:
        self._open: dict[str, Decision] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the open decisions."""
        return tuple(self._open)

    def open(self, decision_id: str, decision: Decision) -> None:
        """Remember a decision.

        Raises:
            DataError: The id is open already.
        """
        if decision_id in self._open:
            raise DataError(f"decision {decision_id!r} is open already; give each decision an id of its own")
        self._open[decision_id] = decision

    def close(self, decision_id: str) -> Decision:
        """The decision, no longer open.

        Raises:
            DataError: It was never open, has had its reward or has expired.
        """
        decision = self.get(decision_id)
        del self._open[decision_id]
        return decision

    def get(self, decision_id: str) -> Decision:
        """The decision, still open.

        Raises:
            DataError: As for ``close``.
        """
        if decision_id not in self._open:
            raise DataError(f"decision {decision_id!r} is not open: unknown, rewarded already or expired")
        return self._open[decision_id]

    def expire(self, before: float) -> int:
        """Drop decisions made before a time, as those that never got a reward; their number.

        Decisions without a time stay.
        """
        late = [name for name, decision in self._open.items() if decision.at is not None and decision.at < before]
        for name in late:
            del self._open[name]
        return len(late)

    def state(self) -> dict[str, Any]:
        """JSON-able content, in order of the ids."""
        return {
            name: [arm, None if context is None else list(context), at]
            for name, (arm, context, at) in sorted(self._open.items())
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Pending:
        """What ``state`` gave."""
        pending = cls()
        for name, (arm, context, at) in state.items():
            pending._open[name] = Decision(arm, None if context is None else tuple(context), at)
        return pending
