"""Simulated traffic: the same for everybody, whenever it is made, and true to its table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.click_model import NO_ITEM, HeldOut
from experiments.known_world import DAY_US, N_FEATURES, KnownWorld, click_world, replay_world
from tests.small_click_world import small_world, some_lists


def world_of(*means: float, units: int = 500, daily: int = 1_000, seed: int = 3) -> KnownWorld:
    """Arms with these click rates, the same for every unit."""
    arms = tuple(f"arm{place}" for place in range(len(means)))
    return KnownWorld(arms, [f"u{unit}" for unit in range(units)], np.tile(means, (units, 1)), seed, daily, 17_000)


def test_a_session_is_the_same_alone_and_among_others() -> None:
    world = world_of(0.2, 0.3)
    whole, part = world.traffic(0, 5_000, run=2), world.traffic(3_000, 3_007, run=2)
    here = slice(3_000, 3_007)
    for name in ("number", "unit", "luck", "time", "device", "channel"):
        assert np.array_equal(getattr(whole, name)[here], getattr(part, name))
    assert np.array_equal(whole.outcomes()[here], part.outcomes())
    assert len(world.traffic(5, 5)) == 0


def test_rewards_are_the_outcomes_of_the_arm_given() -> None:
    traffic = world_of(0.2, 0.3, 0.6).traffic(0, 2_000)
    arm = np.arange(2_000) % 3
    assert np.array_equal(traffic.rewards(arm) > 0, traffic.outcomes()[np.arange(2_000), arm])


def test_a_better_arm_is_clicked_wherever_a_worse_one_is() -> None:
    outcomes = world_of(0.2, 0.3).traffic(0, 2_000).outcomes()
    assert (outcomes[:, 0] <= outcomes[:, 1]).all()
    assert outcomes[:, 0].sum() < outcomes[:, 1].sum()


def test_click_rates_are_those_of_the_table() -> None:
    n = 40_000
    world = world_of(0.2, 0.7)
    rate = world.traffic(0, n).outcomes().mean(axis=0)
    assert rate == pytest.approx([0.2, 0.7], abs=4 * math.sqrt(0.25 / n))
    assert world.means == pytest.approx([0.2, 0.7])
    assert world.best_arm == 1


def test_runs_and_seeds_are_unrelated_but_have_one_clock() -> None:
    one, two = (world_of(0.5, 0.5).traffic(0, 4_000, run=run) for run in (0, 1))
    other = world_of(0.5, 0.5, seed=4).traffic(0, 4_000)
    for traffic in (two, other):
        assert abs(np.corrcoef(one.luck, traffic.luck)[0, 1]) < 4 / math.sqrt(4_000)
        assert np.mean(one.unit == traffic.unit) < 0.02
    assert np.array_equal(one.time, two.time)


def test_a_day_holds_its_sessions_and_no_others() -> None:
    world = world_of(0.5, 0.5, daily=700)
    time = world.traffic(0, 2_100).time
    assert (np.diff(time) > 0).all()
    assert np.array_equal(time // DAY_US - 17_000, np.arange(2_100) // 700)


def test_features_are_one_hot() -> None:
    traffic = world_of(0.5, 0.5).traffic(0, 1_000)
    features = traffic.features
    assert features.shape == (1_000, N_FEATURES)
    assert set(np.unique(features)) == {0.0, 1.0}
    assert np.array_equal(features[:, 1], traffic.device == 1)
    assert np.array_equal(features[:, 4], traffic.channel == 2)
    assert np.bincount(traffic.device) / 1_000 == pytest.approx([0.6, 0.3, 0.1], abs=0.06)


def test_visitors_of_the_click_model_click_as_it_says() -> None:
    model = small_world()
    n_users = len(model.users)
    lists = {"one": some_lists(model, n_users), "two": some_lists(model, n_users, seed=1)}
    world = click_world(model, lists, daily=500)
    assert world.arms == ("one", "two")
    assert world.unit_ids[17] == "sim-000017"
    assert np.array_equal(world.probability[:, 1], model.per_user_click_probability(lists["two"]))
    assert world.first_day == int(model.start // 86_400) + 1
    assert click_world(model, lists, first_day=5).first_day == 5


def test_a_replayed_list_is_clicked_where_it_holds_a_liked_held_out_item() -> None:
    # User 0 likes item 3 and dislikes item 1; user 2 likes item 0; of user 1 nothing was held out.
    held_out = HeldOut(np.array([1, 3, 8]), np.array([-1.0, 1.0, 1.0]), 4)
    lists = {
        "hits": np.array([[2, 3], [0, 1], [0, NO_ITEM]]),
        "misses": np.array([[1, 2], [0, 1], [NO_ITEM, NO_ITEM]]),
    }
    world = replay_world(held_out, ["a", "b", "c"], lists, seed=1)
    assert list(world.unit_ids) == ["a", "c"]
    assert world.probability.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert world.traffic(0, 50).outcomes().all(axis=0).tolist() == [True, False]
    with pytest.raises(DataError, match="no rating was held out"):
        replay_world(HeldOut(np.zeros(0, np.int64), np.zeros(0), 4), [], lists)


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"arms": ("a",)}, ConfigError, "two or more different names"),
        ({"arms": ("a", "a")}, ConfigError, "two or more different names"),
        ({"seed": -1}, ConfigError, "seed == -1"),
        ({"daily": 0}, ConfigError, "daily == 0"),
        ({"first_day": -3}, ConfigError, "first_day == -3"),
        ({"probability": np.zeros((2, 3))}, DataError, "must be \\(2, 2\\)"),
        ({"probability": np.full((2, 2), 1.5)}, DataError, "all in 0 … 1"),
        ({"probability": np.full((2, 2), np.nan)}, DataError, "all in 0 … 1"),
        ({"probability": np.zeros((0, 2)), "unit_ids": []}, DataError, "not empty"),
    ],
)
def test_what_is_no_world_is_refused(given: dict[str, object], error: type[Exception], told: str) -> None:
    whole = {"arms": ("a", "b"), "unit_ids": ["u", "v"], "probability": np.zeros((2, 2)), **given}
    with pytest.raises(error, match=told):
        KnownWorld(**whole)  # type: ignore[arg-type]
