"""Strategies on the same traffic: what they choose, what they learn when, and that they go on where they were."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import ConfigError, DataError, UnknownName
from experiments.bandits.registry import bandit, bandit_names
from experiments.bandits.thompson_beta import ThompsonBeta
from experiments.known_world import KnownWorld
from experiments.strategies import FIXED, FixedSplit, Learning, Strategy, check_strategies, strategy

EVERY = [FIXED, *bandit_names()]


def world_of(*means: float, units: int = 500, seed: int = 3) -> KnownWorld:
    arms = tuple(f"arm{place}" for place in range(len(means)))
    return KnownWorld(arms, [f"u{unit}" for unit in range(units)], np.tile(means, (units, 1)), seed)


def regret(world: KnownWorld, one: Strategy, n: int, run: int = 0) -> float:
    arm = one.serve(world.traffic(0, n, run=run)).arm
    return float((world.means.max() - world.means[arm]).sum())


@pytest.mark.parametrize("name", EVERY)
def test_every_strategy_tells_true_propensities_and_finds_the_better_arm(name: str) -> None:
    world = world_of(0.1, 0.6)
    served = strategy(name, world, floor=0.05).serve(world.traffic(0, 3_000))
    assert ((served.propensity > 0) & (served.propensity <= 1)).all()
    # Inverse propensities count the sessions, whatever is chosen, if they are true.
    if name != FIXED:
        assert served.arm[-1_000:].mean() > 0.5
        assert (1 / served.propensity[served.arm == 0]).sum() == pytest.approx(3_000, rel=0.35)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("delay", [0, 2])
def test_gone_on_is_as_if_never_stopped(name: str, delay: int) -> None:
    world = world_of(0.2, 0.3)
    whole = strategy(name, world, run=1, delay=delay)
    expected = whole.serve(world.traffic(0, 1_200, run=1))
    first = strategy(name, world, run=1, delay=delay)
    before = first.serve(world.traffic(0, 500, run=1))
    second = strategy(name, world, run=1, delay=delay)
    second.restore(json.loads(json.dumps(first.state())))
    after = second.serve(world.traffic(500, 1_200, run=1))
    assert np.array_equal(np.concatenate([before.arm, after.arm]), expected.arm)
    assert np.array_equal(np.concatenate([before.propensity, after.propensity]), expected.propensity)
    assert second.state() == whole.state()


def test_the_fixed_split_is_sticky_by_unit_and_weighted() -> None:
    world = world_of(0.2, 0.3, units=5_000)
    split = FixedSplit(world, (0.8, 0.2), salt="x")
    traffic = world.traffic(0, 20_000)
    served = split.serve(traffic)
    for unit in np.unique(traffic.unit)[:50]:
        assert len(set(served.arm[traffic.unit == unit].tolist())) == 1
    assert np.mean(served.arm) == pytest.approx(0.2, abs=0.03)
    assert np.array_equal(served.propensity, np.where(served.arm == 1, 0.2, 0.8))
    other = FixedSplit(world, (0.8, 0.2), salt="y").serve(traffic)
    assert not np.array_equal(other.arm, served.arm)


def test_a_batch_is_decided_on_what_was_known_before_it() -> None:
    """With rewards of delay d, batches 0 … d are chosen on nothing."""
    world = world_of(0.0, 1.0)
    for delay in (0, 1, 3):
        served = strategy("thompson_beta", world, batch=50, delay=delay).serve(world.traffic(0, 400))
        learned = np.flatnonzero(served.propensity != 0.5)
        assert learned.min() == 50 * (delay + 1)


def test_thompson_loses_less_than_a_fixed_split_where_arms_differ() -> None:
    world, n = world_of(0.20, 0.25), 5_000
    lost = {
        name: np.array([regret(world, strategy(name, world, run=run), n, run) for run in range(12)])
        for name in (FIXED, "thompson_beta")
    }
    assert lost[FIXED].mean() == pytest.approx(0.05 * n / 2, rel=0.1)
    apart = lost[FIXED] - lost["thompson_beta"]
    assert apart.mean() > 3 * apart.std(ddof=1) / np.sqrt(len(apart))


@pytest.mark.parametrize("name", EVERY)
def test_nobody_loses_anything_where_arms_are_alike(name: str) -> None:
    world = world_of(0.3, 0.3)
    assert regret(world, strategy(name, world), 1_000) == 0.0


def test_any_policy_can_be_run_also_one_that_forgets() -> None:
    world = world_of(0.1, 0.6)
    learning = Learning(ThompsonBeta(world.arms, discount=0.999), world, run=0)
    assert learning.serve(world.traffic(0, 2_000)).arm[-500:].mean() > 0.9
    assert np.asarray(learning.policy.statistics().n).sum() < 1_100


def test_what_is_not_allowed_is_refused() -> None:
    world = world_of(0.2, 0.3)
    with pytest.raises(UnknownName, match="unknown strategy 'thomson'"):
        check_strategies(["fixed", "thomson"])
    with pytest.raises(UnknownName, match="unknown bandit 'thomson'"):
        strategy("thomson", world)
    with pytest.raises(ConfigError, match="batch == 0, delay == 0"):
        strategy("ucb1", world, batch=0)
    with pytest.raises(ConfigError, match="arms are x, y, must be arm0, arm1"):
        Learning(bandit("ucb1")(["x", "y"]), world, run=0)
    with pytest.raises(ConfigError, match="add up to 1"):
        strategy(FIXED, world, weights=(0.8, 0.8))
    with pytest.raises(DataError, match="whole batches of 100 of run 0"):
        strategy("ucb1", world).serve(world.traffic(0, 150))
    with pytest.raises(DataError, match="sessions of run 1"):
        strategy("ucb1", world).serve(world.traffic(0, 100, run=1))
    with pytest.raises(DataError, match="another strategy's"):
        strategy(FIXED, world).restore({"policy": {}})
    with pytest.raises(DataError, match="incomplete or garbled"):
        strategy("ucb1", world).restore({})
    with pytest.raises(DataError, match="'ucb1'"):
        strategy("thompson_beta", world).restore(strategy("ucb1", world).state())


def test_nobody_came() -> None:
    world = world_of(0.2, 0.3)
    for name in EVERY:
        assert len(strategy(name, world).serve(world.traffic(0, 0)).arm) == 0
