"""Rewards that count for a while and then not at all, for worlds that change at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.memory import Aggregate, Memory, grown, table

Floats = npt.NDArray[np.float64]


class SlidingWindow(Memory):
    """Only rewards of decisions in the last ``width`` of the caller's time count (sliding-window UCB, Garivier &
    Moulines 2011, arXiv 0805.3415, section 2.2).

    Time is cut into panes of width / panes, and the newest ``panes`` of them are kept: a reward is forgotten with its
    pane, between width - width / panes and width after its decision, so that nothing but sums is stored. A reward
    whose pane has gone is too late and adds nothing.

    >>> memory = SlidingWindow(1, 1, width=10, panes=5)
    >>> for at in (0.0, 9.0, 5.0, 11.0):
    ...     memory.add_one(0, np.ones(1), at)
    >>> memory.totals.item()
    3.0

    Args:
        slots: Arms.
        columns: Numbers kept of each.
        width: Length of the window, above 0.
        panes: Parts it is cut into, >= 1.

    Raises:
        ConfigError: width or panes out of range.
    """

    forgets = True

    def __init__(self, slots: int, columns: int, width: float, panes: int) -> None:
        if not 0 < width < math.inf:
            raise ConfigError(f"window == {width}, must be a number above 0")
        if panes < 1:
            raise ConfigError(f"panes == {panes}, must be >= 1")
        super().__init__(slots, columns)
        self.width, self.panes = width, panes
        self.newest: int | None = None
        self.kept: dict[int, Floats] = {}

    def grow(self) -> None:
        """See ``Memory.grow``."""
        super().grow()
        self.kept = {pane: grown(rows) for pane, rows in self.kept.items()}

    def advance(self, at: float | None) -> bool:
        """See ``Memory.advance``."""
        if at is None or (self.newest is not None and self._pane(at) <= self.newest):
            return False
        self.newest = self._pane(at)
        gone = [pane for pane in self.kept if pane <= self.newest - self.panes]
        for pane in gone:
            del self.kept[pane]
        if gone:
            self._sum_up()
        return bool(gone)

    def add_one(self, slot: int, row: Floats, at: float | None) -> None:
        """See ``Memory.add_one``."""
        self.advance(at)
        if at is not None and self._alive(self._pane(at)):
            self._rows(self._pane(at))[slot] += row
            self._sum_up()

    def add(self, aggregate: Aggregate, at: Floats | None) -> None:
        """See ``Memory.add``."""
        if at is None or len(at) == 0:
            return
        self.advance(float(at.max()))
        panes = np.floor(at / (self.width / self.panes)).astype(np.int64)
        for pane in np.unique(panes).tolist():
            if self._alive(pane):
                self.kept[pane] = self._rows(pane) + aggregate((panes == pane).astype(np.float64))
        self._sum_up()

    def state(self) -> dict[str, Any]:
        """See ``Memory.state``."""
        kept = {str(pane): self.kept[pane].tolist() for pane in sorted(self.kept)}
        return {"newest": self.newest, "panes": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Memory.restore``."""
        self.newest = state["newest"]
        self.kept = {int(pane): table(rows, self.totals.shape) for pane, rows in state["panes"].items()}
        self._sum_up()

    def _pane(self, at: float) -> int:
        return math.floor(at / (self.width / self.panes))

    def _alive(self, pane: int) -> bool:
        return self.newest is None or pane > self.newest - self.panes

    def _rows(self, pane: int) -> Floats:
        return self.kept.setdefault(pane, np.zeros_like(self.totals))

    def _sum_up(self) -> None:
        # Anew and in the order of time, so that the sums do not depend on the order of arrival.
        self.totals = np.sum([self.kept[pane] for pane in sorted(self.kept)] or [np.zeros_like(self.totals)], axis=0)
