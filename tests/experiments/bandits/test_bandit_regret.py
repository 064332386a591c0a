"""What the policies lose against the best arm, simulated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigError
from experiments.bandits.context_free import ContextFree
from experiments.bandits.registry import bandit
from experiments.bandits.regret import Regret, simulate_regret

HARD = [0.5] + [0.4] * 9
#: Means, steps, and the regret of Thompson sampling from Beta(1, 1) that is not to be passed.
BARS = [
    ([0.2, 0.25], 10_000, 23.8),
    ([0.9, 0.8], 10_000, 10.2),
    (HARD, 10_000, 168.0),
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], 10_000, 43.0),
    ([0.1] + [0.05] * 3 + [0.02] * 3 + [0.01] * 3, 20_000, 91.0),
]


def regret(name: str, means: list[float], n_steps: int, n_runs: int, seed: int = 1, **given: Any) -> Regret:
    policy = bandit(name)([str(arm) for arm in range(len(means))])
    assert isinstance(policy, ContextFree)
    return simulate_regret(policy, means, n_steps=n_steps, n_runs=n_runs, rng=np.random.default_rng(seed), **given)


def within(result: Regret, bar: float) -> bool:
    return bool(result.mean[-1] <= bar + 3 * result.standard_error[-1])


@pytest.mark.parametrize(("means", "n_steps", "bar"), [BARS[0], BARS[1]], ids=str)
def test_thompson_keeps_its_bar_in_some_runs(means: list[float], n_steps: int, bar: float) -> None:
    result = regret("thompson_beta", means, n_steps, 150)
    assert within(result, bar)
    assert result.mean[-1] > bar / 2, "half of it would be a fault of the simulation"


def test_short_ranking_and_batches() -> None:
    """4,000 steps; bounds are 3 standard errors of the difference."""
    at_once, kl, ucb = (regret(name, HARD, 4000, 100) for name in ("thompson_beta", "kl_ucb", "ucb1"))
    for lower, higher in ((at_once, kl), (kl, ucb)):
        error = math.hypot(lower.standard_error[-1], higher.standard_error[-1])
        assert lower.mean[-1] + 3 * error < higher.mean[-1]
    batched = regret("thompson_beta", HARD, 4000, 100, batch=40)
    assert batched.mean[-1] <= 1.1 * at_once.mean[-1] + 3 * 1.1 * at_once.standard_error[-1]
    assert ucb.mean[-1] < 0.09 * 4000


def live_regret(n_steps: int, n_runs: int) -> list[float]:
    """Of the policy as it serves: drawn from propensities that are refreshed as rewards grow."""
    totals, rng, means = [], np.random.default_rng(4), {str(arm): mean for arm, mean in enumerate(HARD)}
    for _ in range(n_runs):
        policy, total = bandit("thompson_beta")(list(means)), 0.0
        for uniform in rng.random(n_steps).tolist():
            arm = policy.choose(None, rng).arm
            policy.update(arm, float(uniform < means[arm]))
            total += 0.5 - means[arm]
        totals.append(total)
    return totals


def test_the_served_policy_loses_what_the_simulated_one_does() -> None:
    live, simulated = np.array(live_regret(1000, 25)), regret("thompson_beta", HARD, 1000, 500)
    error = math.hypot(live.std(ddof=1) / 5, simulated.standard_error[-1])
    assert abs(live.mean() - simulated.mean[-1]) < 4 * error


@pytest.mark.long
def test_the_served_policy_keeps_the_bar() -> None:
    live = np.array(live_regret(10_000, 40))
    assert live.mean() <= 168 + 3 * live.std(ddof=1) / math.sqrt(40)


@pytest.mark.long
@pytest.mark.parametrize(("means", "n_steps", "bar"), BARS, ids=str)
def test_thompson_keeps_its_bar(means: list[float], n_steps: int, bar: float) -> None:
    assert within(regret("thompson_beta", means, n_steps, 5000), bar)


@pytest.mark.long
def test_thompson_before_kl_ucb_before_ucb1() -> None:
    thompson, kl, ucb = (regret(name, HARD, 10_000, 100, seed=2) for name in ("thompson_beta", "kl_ucb", "ucb1"))
    for lower, higher in ((thompson, kl), (kl, ucb)):
        error = math.hypot(lower.standard_error[-1], higher.standard_error[-1])
        assert lower.mean[-1] + 3 * error < higher.mean[-1]


@pytest.mark.long
def test_batches_cost_little() -> None:
    at_once = regret("thompson_beta", HARD, 10_000, 800, seed=3)
    for batch, ratio in ((100, 1.1), (1000, 1.4)):
        batched = regret("thompson_beta", HARD, 10_000, 800, seed=3, batch=batch)
        error = math.hypot(batched.standard_error[-1], ratio * at_once.standard_error[-1])
        assert batched.mean[-1] <= ratio * at_once.mean[-1] + 3 * error


def test_uniform_choice_by_hand() -> None:
    """ε = 1: half of the steps lose .4, with standard deviation .2 √T a run."""
    policy = bandit("epsilon_greedy")(["a", "b"], epsilon=1.0)  # type: ignore[call-arg]
    assert isinstance(policy, ContextFree)
    result = simulate_regret(policy, [0.1, 0.5], n_steps=400, n_runs=400, rng=np.random.default_rng(0))
    error = 0.2 * math.sqrt(400 / 400)
    assert result.mean[-1] == pytest.approx(0.4 * 200, abs=4 * error)
    assert result.standard_error[-1] == pytest.approx(error, rel=0.15)
    assert result.shares == pytest.approx([0.5, 0.5], abs=0.01)
    assert (result.lower <= result.mean).all()
    assert (result.mean <= result.upper).all()
    assert (np.diff(result.mean) >= 0).all()


def test_the_order_of_the_arms_gives_no_start() -> None:
    first, last = (regret("epsilon_greedy", means, 300, 2000) for means in ([0.5, 0.3], [0.3, 0.5]))
    error = math.hypot(first.standard_error[-1], last.standard_error[-1])
    assert abs(first.mean[-1] - last.mean[-1]) < 4 * error


def test_floor_costs_its_share() -> None:
    policy = bandit("ucb1")(["a", "b"], floor=0.5)
    assert isinstance(policy, ContextFree)
    result = simulate_regret(policy, [0.0, 1.0], n_steps=200, n_runs=100, rng=np.random.default_rng(0))
    assert result.mean[-1] == pytest.approx(100, abs=4 * math.sqrt(200 / 4 / 100))


def test_gaussian_rewards() -> None:
    result = regret("thompson_gaussian", [0.0, 100.0], 500, 100, noise_sd=50.0)
    assert 200 <= result.mean[-1] < 0.1 * 500 * 50


def test_seeded_and_one_run_has_no_error() -> None:
    one, other = (regret("softmax", [0.2, 0.5], 50, 1) for _ in range(2))
    assert one.final.tolist() == other.final.tolist()
    assert np.isnan(one.standard_error).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"means": [0.1]},
        {"means": [0.1, math.nan]},
        {"means": [0.1, 1.1]},
        {"n_steps": 0},
        {"n_runs": 0},
        {"batch": 0},
        {"noise_sd": 1.0},
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    given = {"means": [0.1, 0.2], "n_steps": 5, "n_runs": 5, **wrong}
    policy = bandit("thompson_beta")(["a", "b"])
    assert isinstance(policy, ContextFree)
    with pytest.raises(ConfigError):
        simulate_regret(policy, given.pop("means"), rng=np.random.default_rng(0), **given)
