"""Sessions of events, and metrics per session."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.inference.estimates import mean_estimate, ratio_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.over_time.session_metrics import session_moments, session_numbers

events = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), max_size=40)


@given(events, st.integers(1, 100))
def test_sessions_against_a_plain_loop(log: list[tuple[int, int]], gap: int) -> None:
    units, times = [unit for unit, _ in log], [time for _, time in log]
    expected: dict[tuple[int, int], int] = {}
    number, before = -1, None
    for unit, time in sorted(set(log)):
        if before is None or unit != before[0] or time - before[1] > gap:
            number += 1
        expected[unit, time], before = number, (unit, time)
    assert session_numbers(units, times, idle_gap=gap).tolist() == [expected[event] for event in log]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), min_size=1, max_size=30))
def test_order_of_events_does_not_matter(log: list[tuple[int, int]]) -> None:
    order = np.random.default_rng(len(log)).permutation(len(log))
    units, times = (np.array(column) for column in zip(*log, strict=True))
    straight = session_numbers(units, times, idle_gap=30)
    assert session_numbers(units[order], times[order], idle_gap=30).tolist() == straight[order].tolist()


def test_a_pause_of_exactly_the_gap_does_not_end_a_session() -> None:
    assert session_numbers([1, 1, 1], [0, 1800, 3601]).tolist() == [0, 0, 1]
    assert session_numbers([], []).shape == (0,)


@given(events.filter(bool))
def test_pairs_per_unit(log: list[tuple[int, int]]) -> None:
    units, times = [unit for unit, _ in log], [time for _, time in log]
    sessions = session_numbers(units, times, idle_gap=20)
    rewards = [float(time % 3) for time in times]
    pairs = []
    for unit in sorted(set(units)):
        mine = [place for place, one in enumerate(units) if one == unit]
        pairs.append([sum(rewards[place] for place in mine), float(len({int(sessions[place]) for place in mine}))])
    found, expected = session_moments(units, sessions, rewards), Moments.from_rows(pairs)
    assert found.n == expected.n
    assert found.mean == pytest.approx(expected.mean)
    assert found.cross == pytest.approx(expected.cross, abs=1e-9)


def test_units_that_never_came_count_per_unit_and_not_per_session() -> None:
    came = session_moments([1, 1, 2], [0, 1, 2], [2.0, 1.0, 3.0])
    assigned = session_moments([1, 1, 2], [0, 1, 2], [2.0, 1.0, 3.0], n_units=6)
    assert mean_estimate(assigned.column(1)).value == 0.5
    assert ratio_estimate(assigned).value == ratio_estimate(came).value == 2.0
    nobody = session_moments([], [], [], n_units=4)
    assert (nobody.n, ratio_estimate(nobody).status) == (4, "undefined_ratio")
    assert ratio_estimate(session_moments([], [], [])).status == "no_units"


def arm(rng: np.random.Generator, rate: float, n: int = 250) -> Moments:
    """Units of unequal appetite, a geometric number of sessions each, a click or none in each session."""
    sessions = rng.geometric(0.3, n)
    units = np.repeat(np.arange(n), sessions)
    appetite = np.clip(rng.normal(rate, 0.15, n), 0, 1)
    return session_moments(units, np.arange(len(units)), (rng.random(len(units)) < appetite[units]).astype(float))


@pytest.mark.parametrize("n_runs", [500, pytest.param(8000, marks=pytest.mark.long)])
def test_false_alarms_and_power_of_reward_per_session(n_runs: int) -> None:
    rng = np.random.default_rng(1)
    pvalues = [welch(ratio_estimate(arm(rng, 0.4)), ratio_estimate(arm(rng, 0.4))).pvalue for _ in range(n_runs)]
    assert np.mean(np.array(pvalues) < 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    found = [welch(ratio_estimate(arm(rng, 0.55)), ratio_estimate(arm(rng, 0.4))) for _ in range(50)]
    assert np.mean([one.pvalue < 0.05 and one.effect_size > 0 for one in found]) > 0.9


@pytest.mark.parametrize(
    ("units", "sessions", "rewards", "n_units", "message"),
    [
        ([1], [0, 1], [1.0], None, "units has shape"),
        ([1, 2], [0, 0], [1.0, 1.0], None, "two units"),
        ([1, 2], [0, 1], [1.0, math.nan], None, "1 rewards are not finite"),
        ([1, 2], [0, 1], [1.0, 1.0], 1, "n_units == 1, but 2 units"),
    ],
)
def test_what_does_not_fit_is_refused(
    units: list[int], sessions: list[int], rewards: list[float], n_units: int | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        session_moments(units, sessions, rewards, n_units=n_units)


def test_gaps_and_times_that_are_not_allowed() -> None:
    with pytest.raises(ConfigError, match="idle_gap == 0"):
        session_numbers([1], [1], idle_gap=0)
    with pytest.raises(DataError, match="whole seconds"):
        session_numbers([1], [0.5])
    with pytest.raises(DataError, match="shape"):
        session_numbers([1], [0, 1])
