"""Rewards that fade with the age of their decision, for worlds that drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.memory import Aggregate, Memory

Floats = npt.NDArray[np.float64]


class Discounting(Memory):
    """Each reward counts γ^(now - t), t the time of its decision, now the latest time seen (discounted UCB, Garivier &
    Moulines 2011, On Upper-Confidence Bound Policies for Switching Bandit Problems, arXiv 0805.3415, section 2.1).

    By the decision's time, not by the reward's arrival: late rewards and any order give the same sums.

    >>> memory = Discounting(1, 1, factor=0.5)
    >>> memory.add_one(0, np.ones(1), at=3.0)
    >>> memory.add_one(0, np.ones(1), at=1.0)
    >>> memory.totals.item()
    1.25

    Args:
        slots: Arms.
        columns: Numbers kept of each.
        factor: γ, share of its weight that a reward keeps after one unit of the caller's time, above 0, at most 1.

    Raises:
        ConfigError: factor out of range.
    """

    forgets = True

    def __init__(self, slots: int, columns: int, factor: float) -> None:
        if not 0 < factor <= 1:
            raise ConfigError(f"discount == {factor}, must be above 0 and at most 1")
        super().__init__(slots, columns)
        self.factor = factor
        self.now: float | None = None

    def advance(self, at: float | None) -> bool:
        """See ``Memory.advance``."""
        if at is None or (self.now is not None and at <= self.now):
            return False
        if self.now is not None:
            self.totals *= self.factor ** (at - self.now)
        self.now = at
        return True

    def add_one(self, slot: int, row: Floats, at: float | None) -> None:
        """See ``Memory.add_one``."""
        self.advance(at)
        self.totals[slot] += row * self._weight(at)

    def add(self, aggregate: Aggregate, at: Floats | None) -> None:
        """See ``Memory.add``."""
        if at is None or len(at) == 0:
            return
        self.advance(float(at.max()))
        self.totals = self.totals + aggregate(np.asarray(self._weight(at), np.float64))

    def state(self) -> dict[str, Any]:
        """See ``Memory.state``."""
        return {**super().state(), "now": self.now}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Memory.restore``."""
        super().restore(state)
        self.now = state["now"]

    def _weight(self, at: Any) -> Any:
        return 1.0 if self.now is None or at is None else self.factor ** (self.now - at)
