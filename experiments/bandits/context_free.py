"""Policies that treat every decision alike: all they know of an arm are three sums."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from experiments.bandits.base import Policy
from experiments.bandits.best_arm import highest
from experiments.bandits.rewards import RewardSums
from experiments.bandits.statistics import ArmStatistics, Prior

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class ContextFree(Policy):
    """Base of the policies without context. A subclass is its rule: an index whose highest arm is preferred, and the
    probabilities of that.
    """

    #: Whether two arms can have the highest index at once; indexes drawn from a density cannot.
    has_ties: ClassVar[bool] = True

    @abstractmethod
    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """(..., k) numbers, random or not, whose highest names the preferred arm: the rule for many runs at once."""

    @abstractmethod
    def preference(self, statistics: ArmStatistics) -> Floats:
        """(k,) probability that ``index`` is highest at each arm, ties shared evenly."""

    def statistics(self) -> ArmStatistics:
        """What is known of each arm now, in the order of ``arms``."""
        return self._arms.statistics(self._arms.slots, self._arms.known())

    def lent_priors(self, strength: float) -> dict[str, Prior]:
        """See ``Rule.lent_priors``."""
        names = (*self.arms, *self.retired)
        known = self._arms.statistics(self._arms.slots_of(names), self._arms.known())
        weights = np.minimum(known.weight, strength)
        return {name: Prior(*lent) for name, *lent in zip(names, known.mean.tolist(), weights.tolist(), strict=True)}

    def _preferences(self, slots: Integers, known: Floats, contexts: Floats | None) -> Floats:
        return self.preference(self._arms.statistics(slots, known))

    def _row(self, reward: float, context: Floats | None) -> Floats:
        return np.array([1.0, reward, reward * reward])

    def _aggregate(self, slots: Integers, batch: RewardSums, contexts: Floats | None, weights: Floats | None) -> Floats:
        parts = batch if weights is None else [part * weights for part in batch]
        return np.stack([np.bincount(slots, part, minlength=len(self._arms.counts)) for part in parts], axis=1)


class UpperBound(ContextFree):
    """Base of the policies that choose the highest upper bound of an arm's mean; ties share."""

    @abstractmethod
    def upper_bound(self, statistics: ArmStatistics) -> Floats:
        """(..., k) upper bound of each arm's mean; every arm has a weight above 0."""

    def index(self, statistics: ArmStatistics, rng: np.random.Generator) -> Floats:
        """See ``ContextFree.index``."""
        return self.upper_bound(statistics)

    def preference(self, statistics: ArmStatistics) -> Floats:
        """See ``ContextFree.preference``."""
        return highest(self.upper_bound(statistics))
