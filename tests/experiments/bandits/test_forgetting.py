"""Discounting and windows, by hand and in a world that turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.bandits.discounting import Discounting
from experiments.bandits.memory import Memory, table
from experiments.bandits.thompson_beta import ThompsonBeta
from experiments.bandits.windows import SlidingWindow

times = st.lists(st.floats(0, 50), min_size=1, max_size=30)


@given(times)
def test_discounted_sum_by_hand(at: list[float]) -> None:
    memory = Discounting(1, 1, factor=0.9)
    for time in at:
        memory.add_one(0, np.ones(1), time)
    assert memory.totals.item() == pytest.approx(sum(0.9 ** (max(at) - time) for time in at))


@given(times)
def test_window_by_hand(at: list[float]) -> None:
    """Panes of 2: the newest five of them count."""
    memory = SlidingWindow(1, 1, width=10, panes=5)
    for time in at:
        memory.add_one(0, np.ones(1), time)
    newest = max(at) // 2
    assert memory.totals.item() == sum(time // 2 > newest - 5 for time in at)


def test_time_passes_without_rewards() -> None:
    discounted, windowed = Discounting(1, 1, 0.5), SlidingWindow(1, 1, 4, 4)
    for memory in (discounted, windowed):
        memory.add_one(0, np.ones(1), 0.0)
        assert not memory.advance(-1.0)
    assert discounted.advance(2.0)
    assert windowed.advance(4.0)
    assert (discounted.totals.item(), windowed.totals.item()) == (0.25, 0.0)


@pytest.mark.filterwarnings("error")
def test_the_far_future_leaves_nothing() -> None:
    memory = Discounting(1, 1, 0.5)
    memory.add_one(0, np.ones(1), 0.0)
    memory.advance(1e9)
    assert memory.totals.item() == 0


def test_a_sum_is_kept_in_another_shape_nowhere() -> None:
    assert table([], (0, 3)).shape == (0, 3)
    with pytest.raises(DataError, match="another policy"):
        table([[1.0]], (2, 1))
    with pytest.raises(ConfigError, match="discount"):
        Discounting(1, 1, 0.0)
    assert not Memory(1, 1).advance(3.0)


@pytest.mark.parametrize("forgetting", [{"discount": 0.99}, {"window": 200.0}], ids=str)
def test_a_world_that_turns(forgetting: dict[str, Any]) -> None:
    """The best arm changes half-way; who forgets finds the new one sooner."""

    def last_share(**given: Any) -> float:
        policy, rng, chosen = ThompsonBeta(["a", "b"], **given), np.random.default_rng(5), []
        for step in range(2000):
            means = {"a": 0.6, "b": 0.4} if step < 1000 else {"a": 0.4, "b": 0.6}
            arm = policy.choose(None, rng, at=step).arm
            policy.update(arm, float(rng.random() < means[arm]), at=step)
            chosen.append(arm == "b")
        return float(np.mean(chosen[1100:1500]))

    assert last_share(**forgetting) > last_share() + 0.3
