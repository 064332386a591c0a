"""Worlds whose policies' values are known exactly: few kinds of visitor, a mean reward for each and every action."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from experiments.off_policy.logged_bandit import LoggedBandit

Floats = npt.NDArray[np.float64]


class World(NamedTuple):
    """Visitors of m kinds, all as frequent.

    Attributes:
        feature: (m, 1) what is known of a kind.
        mean: (m, k) mean reward.
        logging: (m, k) the logging policy.
        target: (m, k) the policy to be judged.
    """

    feature: Floats
    mean: Floats
    logging: Floats
    target: Floats

    @property
    def value(self) -> float:
        return float((self.target * self.mean).sum(axis=1).mean())

    @property
    def logging_value(self) -> float:
        return float((self.logging * self.mean).sum(axis=1).mean())


def curved_world() -> World:
    """Rewards that bend in the feature, which no linear model follows; policies that lean opposite ways."""
    feature = np.linspace(-1.5, 1.5, 7)[:, np.newaxis]
    slopes = np.array([0.6, 0.0, -0.6])
    mean = 0.5 + 0.25 * np.cos(2.5 * feature + np.array([0.0, 3.0, 1.5]))
    return World(feature, mean, special.softmax(feature * slopes, axis=1), special.softmax(-feature * slopes, axis=1))


def draw(world: World, n: int, rng: np.random.Generator, *, with_policy: bool = False) -> tuple[LoggedBandit, Floats]:
    """A log with rewards 0 or 1, and the target's probabilities in its rows."""
    kind = rng.integers(0, len(world.mean), n)
    action = (rng.random((n, 1)) > np.cumsum(world.logging[kind], axis=1)[:, :-1]).sum(axis=1)
    reward = (rng.random(n) < world.mean[kind, action]).astype(np.float64)
    log = LoggedBandit(
        action,
        reward,
        world.logging[kind, action],
        context=world.feature[kind],
        logging_policy=world.logging[kind] if with_policy else None,
    )
    return log, world.target[kind]


def draw_by_unit(world: World, n_units: int, rng: np.random.Generator) -> tuple[LoggedBandit, Floats]:
    """A log of users with one to twelve rows each, all of one kind, whose rewards share a user's own luck."""
    rows = rng.integers(1, 13, n_units)
    unit = np.repeat(np.arange(n_units), rows)
    kind = rng.integers(0, len(world.mean), n_units)[unit]
    luck = rng.normal(0, 1.0, n_units)[unit]
    action = (rng.random((len(unit), 1)) > np.cumsum(world.logging[kind], axis=1)[:, :-1]).sum(axis=1)
    reward = world.mean[kind, action] + luck + 0.1 * rng.standard_normal(len(unit))
    log = LoggedBandit(action, reward, world.logging[kind, action], context=world.feature[kind], unit=unit)
    return log, world.target[kind]
