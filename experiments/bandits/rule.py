"""What a policy says about itself, and what it must bring; all else is in ``base.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from experiments.bandits.rewards import RewardKind, RewardSums
from experiments.bandits.statistics import Prior

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Choice(NamedTuple):
    """A decision.

    Attributes:
        arm: The arm chosen.
        propensity: The probability with which it was drawn.
    """

    arm: str
    propensity: float


class Common(TypedDict, total=False):
    """The arguments that every policy takes, as ``Policy`` says."""

    floor: float
    burn_in: int | None
    prior: Prior | None
    warm_start: Mapping[str, Prior] | None
    discount: float | None
    window: float | None
    panes: int
    refresh: float | None


class Rule(ABC):
    """How one policy differs from another."""

    name: ClassVar[str]
    #: What a reward may be.
    reward_kind: ClassVar[RewardKind] = "real"
    #: Constructor arguments of the subclass, attributes of the same name; they go into the state.
    settings: ClassVar[tuple[str, ...]] = ()
    default_prior: ClassVar[Prior] = Prior(0.0, 0.0)
    default_burn_in: ClassVar[int] = 0
    default_refresh: ClassVar[float] = 0.0
    #: Whether propensities depend on the context.
    contextual: ClassVar[bool] = False

    @abstractmethod
    def _preferences(self, slots: Integers, known: Floats, contexts: Floats | None) -> Floats:
        """Probability q with which the rule prefers each arm.

        Args:
            slots: (k,) of the arms that may be chosen.
            known: (all slots, columns + 1) what decisions rest on, as ``Arms.known``.
            contexts: (n, d) checked; None for policies without.

        Returns:
            (k,), or (n, k) with contexts; rows add up to 1.
        """

    @abstractmethod
    def lent_priors(self, strength: float) -> dict[str, Prior]:
        """What this policy has learned of each arm, removed ones too, as a prior for another.

        Args:
            strength: Rewards that the prior is worth at most, above 0.
        """

    @abstractmethod
    def _row(self, reward: float, context: Floats | None) -> Floats:
        """(columns,) what one reward, in a (d,) context, adds to its arm's sums."""

    @abstractmethod
    def _aggregate(self, slots: Integers, batch: RewardSums, contexts: Floats | None, weights: Floats | None) -> Floats:
        """(all slots, columns) what a batch adds, each row of it counted with its weight, or once."""

    @property
    def _columns(self) -> int:
        """Numbers kept of each arm."""
        return 3

    def _check_prior(self, prior: Prior) -> Prior:
        """The prior, if the policy can use it.

        Raises:
            ConfigError: It cannot.
        """
        return prior.checked()

    def _contexts(self, contexts: npt.ArrayLike | None, axes: int) -> Floats:
        """(n, d) contexts, checked: given with ``axes`` axes, 1 for a single one."""
        raise NotImplementedError
