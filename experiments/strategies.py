"""Strategies of traffic: who is shown which arm. All of them can be run on the same traffic.

``fixed`` is an A/B test: a salted hash of the unit decides, for good. Every bandit of experiments/bandits is the other
kind: it chooses by what it has learned so far. Rewards come in batches, as an aggregation job brings them: all sessions
of a batch are decided on the same knowledge, and its rewards are known ``delay`` batches after the next one begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError, UnknownName
from experiments.allocation import Allocation, allocate_many
from experiments.bandits.base import Policy
from experiments.bandits.registry import bandit, bandit_names
from experiments.known_world import N_FEATURES, KnownWorld, Traffic

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]

FIXED = "fixed"


class Served(NamedTuple):
    """What n sessions were shown.

    Attributes:
        arm: (n,) int64 index into the world's arms.
        propensity: (n,) float64, the probability with which it was chosen.
    """

    arm: Indexes
    propensity: Floats


class Strategy(Protocol):
    """Decides what sessions are shown; sessions come in the order of their numbers."""

    name: str

    def serve(self, traffic: Traffic) -> Served:
        """Decide on the next sessions, and learn what is due of them."""
        ...

    def state(self) -> dict[str, Any]:
        """All that it knows, as a dict that survives JSON to the bit."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` gave.

        Raises:
            DataError: It is another strategy's, or garbled.
        """
        ...


class FixedSplit:
    """A salted hash of the unit decides; nothing is learned.

    >>> world = KnownWorld(("a", "b"), ["u", "v"], np.full((2, 2), 0.5))
    >>> FixedSplit(world, (0.5, 0.5), salt="x").serve(world.traffic(0, 3)).propensity.tolist()
    [0.5, 0.5, 0.5]

    Args:
        world: Whose units are assigned.
        weights: (k,) share of each arm, together 1.
        salt: Of the hash; another salt is another, independent split.

    Raises:
        ConfigError: The weights do not fit the arms or do not add up to 1, or the salt is empty.
    """

    name = FIXED

    def __init__(self, world: KnownWorld, weights: Sequence[float], *, salt: str) -> None:
        found = allocate_many(Allocation(salt, world.arms, tuple(weights)), world.unit_ids)
        self._served = Served(found.variant_index, found.propensity)

    def serve(self, traffic: Traffic) -> Served:
        """See ``Strategy``."""
        return Served(self._served.arm[traffic.unit], self._served.propensity[traffic.unit])

    def state(self) -> dict[str, Any]:
        """See ``Strategy``: nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Strategy``."""
        if state:
            raise DataError(f"the state of a fixed split is {sorted(state)}, must be empty: it is another strategy's")


class Learning:
    """A bandit policy that gets its rewards in batches.

    >>> world = KnownWorld(("a", "b"), ["u"], np.array([[0.0, 1.0]]))
    >>> learning = Learning(bandit("thompson_beta")(world.arms), world, run=0, batch=50)
    >>> learning.serve(world.traffic(0, 400)).arm[-50:].mean().item()
    1.0

    Args:
        policy: The policy, with the world's arms; it is changed.
        world: Where the rewards come from.
        run: The repetition that it serves.
        batch: Sessions decided on the same knowledge, >= 1. Traffic is served in whole batches.
        delay: Batches that rewards come late, >= 0; at 0 a batch's rewards are known when the next one begins.

    Raises:
        ConfigError: The policy has other arms, or batch or delay is not allowed.
    """

    def __init__(self, policy: Policy, world: KnownWorld, *, run: int, batch: int = 100, delay: int = 0) -> None:
        if batch < 1 or delay < 0:
            raise ConfigError(f"batch == {batch}, delay == {delay}; must be >= 1 and >= 0")
        if policy.arms != world.arms:
            raise ConfigError(f"the policy's arms are {', '.join(policy.arms)}, must be {', '.join(world.arms)}")
        self.name = policy.name
        self.policy = policy
        self.world, self.run, self.batch, self.delay = world, run, batch, delay
        self._waiting: deque[tuple[Traffic, Indexes]] = deque()

    def serve(self, traffic: Traffic) -> Served:
        """See ``Strategy``.

        Raises:
            DataError: The sessions are of another run or do not begin and end with a batch.
        """
        n, first = len(traffic), int(traffic.number[0]) if len(traffic) else 0
        if traffic.run != self.run or n % self.batch or first % self.batch:
            raise DataError(
                f"{n} sessions of run {traffic.run} from {first} on; must be whole batches of {self.batch} of run "
                f"{self.run}"
            )
        served = Served(np.empty(n, np.int64), np.empty(n))
        for start in range(0, n, self.batch):
            here = slice(start, start + self.batch)
            part = Traffic(self.world, self.run, traffic.number[here], traffic.unit[here], traffic.luck[here])
            served.arm[here], served.propensity[here] = self._serve_batch(part)
        return served

    def _serve_batch(self, part: Traffic) -> tuple[Indexes, Floats]:
        number = int(part.number[0])
        # The draws, too, are addressed by seed, run and session.
        rng = np.random.default_rng([self.world.seed, self.run, number])
        contexts = part.features if self.policy.contextual else len(part)
        arm, propensity = self.policy.choose_many(contexts, rng, at=float(number))
        self._waiting.append((part, arm))
        while len(self._waiting) > self.delay:
            self._learn(*self._waiting.popleft())
        return arm, propensity

    def _learn(self, part: Traffic, arm: Indexes) -> None:
        contexts = part.features if self.policy.contextual else None
        self.policy.update_many(arm, part.rewards(arm), contexts, at=float(part.number[0]))

    def state(self) -> dict[str, Any]:
        """See ``Strategy``; of rewards that have not come yet the arms are kept, the world knows the rest."""
        waiting = [[int(part.number[0]), arm.tolist()] for part, arm in self._waiting]
        return {"policy": self.policy.state(), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See ``Strategy``."""
        try:
            self.policy = type(self.policy).from_state(state["policy"])
            waiting = [(int(first), np.asarray(arm, np.int64)) for first, arm in state["waiting"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the state of strategy {self.name!r} is incomplete or garbled: {error!r}") from error
        self._waiting = deque(
            (self.world.traffic(first, first + len(arm), run=self.run), arm) for first, arm in waiting
        )


def check_strategies(names: Sequence[str]) -> None:
    """Refuse names that ``strategy`` does not know.

    >>> check_strategies(["fixed", "ucb1"])

    Raises:
        UnknownName: Nobody registered a name.
    """
    known = [FIXED, *bandit_names()]
    for name in names:
        if name not in known:
            raise UnknownName("strategy", name, known, "experiments/bandits/registry.py")


def strategy(
    name: str,
    world: KnownWorld,
    *,
    run: int = 0,
    weights: Sequence[float] = (),
    batch: int = 100,
    delay: int = 0,
    floor: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> Strategy:
    """A strategy by name, new.

    Args:
        name: ``fixed``, or a policy of ``experiments/bandits/registry.py``.
        world: What it serves.
        run: The repetition; each has a split and draws of its own.
        weights: Of the fixed split; empty: equal shares.
        batch: See ``Learning``; a fixed split has none.
        delay: See ``Learning``.
        floor: Least probability of each arm in a bandit.
        options: The bandit's own settings; None: its defaults.

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: An option is not allowed.
    """
    k = len(world.arms)
    if name == FIXED:
        return FixedSplit(world, tuple(weights) or (1 / k,) * k, salt=f"simulate-{world.seed}-{run}")
    policy = bandit(name)
    extra: dict[str, Any] = {"n_features": N_FEATURES} if policy.contextual else {}
    return Learning(
        policy(world.arms, floor=floor, **extra, **(options or {})), world, run=run, batch=batch, delay=delay
    )
