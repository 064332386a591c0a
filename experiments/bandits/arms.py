"""The arms of a policy and what is known of each: names, priors, sums, numbers of rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.bandits.discounting import Discounting
from experiments.bandits.memory import Memory, table
from experiments.bandits.statistics import ArmStatistics, Prior
from experiments.bandits.windows import SlidingWindow

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Rewards that have faded to less than this are as good as none.
_NOTHING = 1e-9


class Arms:
    """Arms that come and go. An arm's slot is its own for ever: a removed arm keeps its sums, apart.

    Attributes: ``names`` and (k,) ``slots`` of the arms that may be chosen; by slot ``counts``, the rewards ever seen,
    ``means`` and ``strengths``, the priors'; ``memory``, the sums.

    Args:
        names: The arms, all different, at least one.
        memory: Where their sums are kept, one slot each.
        prior: What is believed of an arm unless something else is said.
        warm_start: What is said of some.
        check: Refuses a prior that the policy cannot use, else gives it back.

    Raises:
        ConfigError: Names that repeat or are none, a prior that cannot be used.
    """

    def __init__(
        self,
        names: Sequence[str],
        memory: Memory,
        prior: Prior,
        warm_start: Mapping[str, Prior],
        check: Callable[[Prior], Prior],
    ) -> None:
        if isinstance(names, str) or len(names) == 0 or len(set(names)) < len(names):
            raise ConfigError(f"arms == {names!r}, must be different names, at least one")
        if strange := sorted(set(warm_start) - set(names)):
            raise ConfigError(f"warm_start names {strange[0]!r}, which is no arm; arms: {', '.join(names)}")
        self.memory = memory
        self.counts: Floats = np.zeros(len(names))
        self._check = check
        self._prior = check(prior)
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._priors = [check(warm_start.get(name, prior)) for name in names]
        self._choose_from(list(names))

    @property
    def retired(self) -> tuple[str, ...]:
        """Names of the removed arms."""
        return tuple(name for name in self._slots if name not in self.names)

    def add(self, name: str, prior: Prior | None) -> None:
        """See ``Policy.add_arm``."""
        if name in self.names:
            raise ConfigError(f"arm {name!r} is there already; arms: {', '.join(self.names)}")
        believed = None if prior is None else self._check(prior)
        if name not in self._slots:
            self._slots[name] = len(self._slots)
            self._priors.append(self._prior)
            self.counts = np.append(self.counts, 0.0)
            self.memory.grow()
        if believed is not None:
            self._priors[self._slots[name]] = believed
        self._choose_from([*self.names, name])

    def remove(self, name: str) -> None:
        """See ``Policy.remove_arm``."""
        if name not in self.names or len(self.names) == 1:
            raise ConfigError(f"arm {name!r} cannot be removed; arms: {', '.join(self.names)}, one must stay")
        self._choose_from([other for other in self.names if other != name])

    def slot(self, name: str) -> int:
        """Where an arm's sums are, also a removed one's.

        Raises:
            DataError: Nobody has ever seen the arm.
        """
        slot = self._slots.get(name)
        if slot is None:
            raise DataError(f"unknown arm {name!r}; arms: {', '.join(self._slots)}")
        return slot

    def slots_of(self, arms: Sequence[str] | Integers) -> Integers:
        """(m,) slots of names, or of indexes into ``names``.

        Raises:
            DataError: An arm is unknown or an index out of range.
        """
        given = np.asarray(arms)
        if given.size == 0:
            return np.zeros(0, np.int64)
        if np.issubdtype(given.dtype, np.integer):
            if given.min() < 0 or given.max() >= len(self.names):
                raise DataError(
                    f"arm indexes run from {given.min()} to {given.max()}, must be 0 … {len(self.names) - 1}"
                )
            return np.asarray(self.slots[given], np.int64)
        if given.dtype.kind not in "UO":
            raise DataError(f"arms are of type {given.dtype}, must be names or whole numbers")
        different, place = np.unique(given, return_inverse=True)
        return np.array([self.slot(str(name)) for name in different.tolist()])[place]

    def chosen_from(self, names: Sequence[str] | None) -> Integers:
        """(k,) slots of the arms that may be chosen this time; None for all.

        Raises:
            ConfigError: One is unknown, removed or named twice, or there is none.
        """
        if names is None:
            return self.slots
        known = self._slots if set(names) <= set(self.names) else {}
        if isinstance(names, str) or not known or len(names) == 0 or len(set(names)) < len(names):
            raise ConfigError(f"arms == {names!r}, must be different ones of {', '.join(self.names)}, at least one")
        return np.array([known[name] for name in names])

    def known(self) -> Floats:
        """(all slots, columns + 1) a copy of the sums, and as last column the rewards ever seen."""
        return np.column_stack([self.memory.totals, self.counts])

    def grown(self, then: Floats, share: float, slot: int | None) -> bool:
        """Whether an arm has more than ``share`` more rewards than it had; where rewards fade, always.

        Args:
            then: What ``known`` was.
            share: 0 for any more.
            slot: The only arm that can have; None for any.
        """
        if share == 0 or self.memory.forgets:
            return True
        now = self.memory.totals
        if slot is not None:
            return bool(now[slot, 0] > (1.0 + share) * then[slot, 0])
        return bool((now[:, 0] > (1.0 + share) * then[:, 0]).any())

    def untried(self, known: Floats, slots: Integers, burn_in: int) -> npt.NDArray[np.bool_]:
        """(k,) whether an arm has fewer than ``burn_in`` rewards, or nothing is known of it at all."""
        return np.asarray((known[:, -1] < burn_in) | (known[:, 0] + self.strengths[slots] < _NOTHING))

    def statistics(self, slots: Integers, known: Floats) -> ArmStatistics:
        """The sums of some arms, for policies whose prior's mean is a plain number."""
        rows = known[slots]
        total = known[self.slots, 0].sum() + self.strengths[self.slots].sum()
        return ArmStatistics(rows[:, 0], rows[:, 1], rows[:, 2], self.means[slots], self.strengths[slots], total)

    def state(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "slots": list(self._slots),
            "names": list(self.names),
            "priors": [prior.as_list() for prior in self._priors],
            "counts": self.counts.tolist(),
            "memory": self.memory.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave; the slots are those of the constructor."""
        self.memory.restore(state["memory"])
        self.counts = table(state["counts"], self.counts.shape)
        self._priors = [self._check(Prior(*prior)) for prior in state["priors"]]
        names = list(state["names"])
        if len(self._priors) != len(self._slots) or not names or not set(names) <= set(self._slots):
            raise DataError(
                f"state has {len(self._priors)} priors and arms {names}; must fit slots {list(self._slots)}"
            )
        self._choose_from(names)

    def _choose_from(self, names: list[str]) -> None:
        self.names = tuple(names)
        self.slots: Integers = np.array([self._slots[name] for name in names])
        self.means = np.array([prior.mean for prior in self._priors], np.float64)
        self.strengths = np.array([prior.strength for prior in self._priors], np.float64)


def started(slots: int, columns: int, *, discount: float | None, window: float | None, panes: int) -> Memory:
    """An empty memory of the kind asked for.

    Raises:
        ConfigError: Both kinds of forgetting at once, or a number out of range.
    """
    if discount is not None and window is not None:
        raise ConfigError(f"discount == {discount} and window == {window}; give one of them")
    if discount is not None:
        return Discounting(slots, columns, discount)
    if window is not None:
        return SlidingWindow(slots, columns, window, panes)
    return Memory(slots, columns)
