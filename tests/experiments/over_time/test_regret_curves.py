"""Regret over time, from logs and from simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.over_time.regret_curves import RegretCurve, logged_regret, simulated_regret

MEANS = np.array([0.2, 0.5, 0.35])


def log(rng: np.random.Generator, n: int, means: np.ndarray = MEANS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A policy that leans more and more to arm 1, never to less than .1 of the others."""
    lean = np.linspace(1 / 3, 0.8, n)
    propensities = np.stack([(1 - lean) / 2, lean, (1 - lean) / 2], axis=1)
    arms = (rng.random((n, 1)) > np.cumsum(propensities, axis=1)).sum(axis=1).clip(0, 2)
    return arms, (rng.random(n) < means[arms]).astype(float), propensities[np.arange(n), arms]


def misses(curve: RegretCurve, truth: RegretCurve) -> tuple[bool, bool]:
    """Whether the last cumulative and the first interval's band leave out the truth."""
    return (
        not curve.cumulative_lower[-1] <= truth.cumulative[-1] <= curve.cumulative_upper[-1],
        not curve.interval_lower[0] <= truth.interval[0] <= curve.interval_upper[0],
    )


@pytest.mark.parametrize("n_runs", [600, pytest.param(10_000, marks=pytest.mark.long)])
def test_bands_from_logs_hold_the_truth(n_runs: int) -> None:
    rng = np.random.default_rng(1)
    missed = []
    for _ in range(n_runs):
        arms, rewards, propensities = log(rng, 1500)
        curve = logged_regret(arms, rewards, propensities, n_arms=3, every=500)
        truth = simulated_regret(arms[np.newaxis], MEANS, every=500)
        assert curve.best_arm == truth.best_arm == 1
        missed.append(misses(curve, truth))
    assert (np.mean(missed, axis=0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)).all()
    assert (np.mean(missed, axis=0) > 0.02).all(), "bands that never miss are too wide"


def test_equal_arms_cost_nothing_to_speak_of() -> None:
    """A/A: no arm is better, the leader looks it; what that adds stays a small share of the rewards."""
    rng = np.random.default_rng(2)
    curves = [logged_regret(*log(rng, 2000, np.full(3, 0.4)), n_arms=3, every=2000) for _ in range(200)]
    assert np.mean([curve.cumulative[-1] for curve in curves]) < 0.03 * 2000
    assert np.mean([curve.cumulative_lower[-1] > 0 for curve in curves]) < 0.15


def test_an_eager_policy_biases_plain_means_and_not_these() -> None:
    """An arm chosen more while it happens to pay: day one .5 / .5, day two .9 for the leader of day one."""
    rng = np.random.default_rng(3)
    weighted, plain = [], []
    for _ in range(400):
        first = rng.integers(0, 2, 40)
        paid = (rng.random(40) < 0.5).astype(float)
        leads = int(paid[first == 1].mean() > paid[first == 0].mean()) if 0 < first.sum() < 40 else 0
        second = np.where(rng.random(400) < 0.9, leads, 1 - leads)
        arms, rewards = np.concatenate([first, second]), np.concatenate([paid, rng.random(400) < 0.5]).astype(float)
        propensities = np.concatenate([np.full(40, 0.5), np.where(second == leads, 0.9, 0.1)])
        curve = logged_regret(arms, rewards, propensities, n_arms=2, every=440)
        gap = curve.cumulative[-1] / np.count_nonzero(arms != curve.best_arm)
        weighted.append(gap if curve.best_arm == leads else -gap)
        plain.append(rewards[arms == leads].mean() - rewards[arms != leads].mean())
    assert abs(np.mean(weighted)) < abs(np.mean(plain)) / 2


def test_hand_computed_log() -> None:
    curve = logged_regret([0, 1, 0, 1, 0, 1], [1, 0, 0, 0, 1, 1], [0.5, 0.5, 0.25, 0.5, 0.5, 0.25], n_arms=2, every=4)
    # Means: (2 + 0 + 2) / (2 + 4 + 2) = .5 and 4 / (2 + 2 + 4) = .5; arm 0 is first of equals: no regret.
    assert curve.best_arm == 0
    assert curve.ends.tolist() == [4, 6]
    assert curve.cumulative.tolist() == [0.0, 0.0]
    # v_0 = (2² .25 + 4² .25 + 2² .25) / 8², v_1 the same; 2 choices of arm 1 by the first end, 3 by the last.
    se = math.sqrt(2 * 6 / 64)
    assert curve.cumulative_upper == pytest.approx([2 * 1.959964 * se, 3 * 1.959964 * se], rel=1e-6)
    assert curve.interval_lower == pytest.approx([-2 * 1.959964 * se, -1.959964 * se], rel=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(-5, 5), st.floats(0.05, 1)), min_size=1, max_size=40),
    st.integers(1, 50),
    st.floats(0.1, 10),
)
def test_properties_of_logged_curves(choices: list[tuple[int, float, float]], every: int, scale: float) -> None:
    arms, rewards, propensities = (np.array(column) for column in zip(*choices, strict=True))
    curve = logged_regret(arms, rewards, propensities, n_arms=3, every=every)
    assert curve.ends[-1] == len(choices)
    if curve.best_arm < 0:
        assert curve.status == "unseen_arm"
        assert np.isnan(curve.cumulative).all()
        return
    assert (curve.cumulative_lower <= curve.cumulative).all()
    assert (curve.cumulative <= curve.cumulative_upper).all()
    assert np.cumsum(curve.interval) == pytest.approx(curve.cumulative, abs=1e-9)
    scaled = logged_regret(arms, rewards * scale, propensities, n_arms=3, every=every)
    assert scaled.cumulative == pytest.approx(curve.cumulative * scale, rel=1e-6, abs=1e-6)


def test_simulated_regret_hand_computed() -> None:
    curve = simulated_regret([[0, 1, 2, 1], [1, 1, 0, 1]], MEANS, every=2)
    assert curve.ends.tolist() == [2, 4]
    assert curve.interval == pytest.approx([0.15, 0.225])
    assert curve.cumulative == pytest.approx([0.15, 0.375])
    # Runs: .3 and 0, then .45 and .3: standard errors .15 and .075; t of one degree of freedom.
    assert curve.cumulative_upper == pytest.approx([0.15 + 12.706205 * 0.15, 0.375 + 12.706205 * 0.075])
    assert curve.best_arm == 1


def test_truth_that_drifts() -> None:
    means = np.array([[0.1, 0.3], [0.1, 0.3], [0.5, 0.3], [0.5, 0.3]])
    curve = simulated_regret(np.zeros((3, 4), int), means, every=3)
    assert curve.cumulative == pytest.approx([0.4, 0.4])
    assert curve.interval == pytest.approx([0.4, 0.0])
    assert curve.best_arm == -1


def test_bands_over_runs_hold_the_expectation() -> None:
    """Uniform choice: expected regret is n (max - mean) exactly."""
    rng = np.random.default_rng(4)
    n_runs, n = 500, 200
    expected = n * (MEANS.max() - MEANS.mean())
    curves = [simulated_regret(rng.integers(0, 3, (40, n)), MEANS, every=n) for _ in range(n_runs)]
    missed = np.mean([not c.cumulative_lower[0] <= expected <= c.cumulative_upper[0] for c in curves])
    assert missed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)


def test_degenerate_logs_have_a_status() -> None:
    nothing = logged_regret([], [], [], n_arms=2, every=10)
    assert (nothing.status, nothing.best_arm, len(nothing.ends)) == ("no_choices", -1, 0)
    unseen = logged_regret([0, 0, 1], [1.0, 0.0, 1.0], [0.5] * 3, n_arms=3, every=10)
    assert (unseen.status, unseen.best_arm) == ("unseen_arm", 0)
    assert logged_regret([0], [1.0], [1.0], n_arms=1, every=1).status == "unseen_arm"
    only = logged_regret([0, 0], [1.0, 1.0], [1.0, 1.0], n_arms=1, every=1)
    assert (only.status, only.cumulative.tolist(), only.cumulative_upper.tolist()) == ("ok", [0.0, 0.0], [0.0, 0.0])
    one_run = simulated_regret([[0, 1]], MEANS, every=1)
    assert one_run.status == "too_few_runs"
    assert one_run.cumulative == pytest.approx([0.3, 0.3])
    assert np.isnan(one_run.cumulative_lower).all()
    assert simulated_regret(np.zeros((0, 5), int), MEANS, every=1).status == "no_choices"
    assert simulated_regret(np.zeros((5, 0), int), MEANS, every=1).status == "no_choices"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"arms": [0, 3]}, DataError, "arms must be whole numbers 0 … 2"),
        ({"arms": [0, -1]}, DataError, "arms"),
        ({"arms": [0, 0.5]}, DataError, "arms"),
        ({"rewards": [1.0]}, DataError, "rewards \\(1,\\)"),
        ({"rewards": [1.0, math.nan]}, DataError, "1 rewards are not finite"),
        ({"propensities": [0.5, 0.0]}, DataError, "propensities"),
        ({"propensities": [0.5, 1.5]}, DataError, "propensities"),
        ({"every": 0}, ConfigError, "every == 0"),
        ({"n_arms": 0}, ConfigError, "n_arms == 0"),
        ({"alpha": 1}, ConfigError, "alpha == 1"),
    ],
)
def test_logs_that_are_none(change: dict[str, object], error: type[Exception], message: str) -> None:
    fine = {"arms": [0, 1], "rewards": [1.0, 0.0], "propensities": [0.5, 0.5], "n_arms": 3, "every": 1}
    with pytest.raises(error, match=message):
        logged_regret(**{**fine, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choices", "means"),
    [([0, 1], MEANS), ([[0, 3]], MEANS), ([[0, 1]], [0.1, math.nan]), ([[0, 1]], np.zeros((3, 2))), ([[0]], [])],
)
def test_simulations_that_are_none(choices: object, means: object) -> None:
    with pytest.raises(DataError):
        simulated_regret(choices, means, every=1)  # type: ignore[arg-type]
