"""What the estimators promise, in worlds whose values are known: bias, variance, coverage."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from experiments.off_policy.comparison import policy_uplift
from experiments.off_policy.estimator import Estimator, PolicyValue
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.registry import estimator
from experiments.off_policy.reward_model import ridge_rewards
from tests.experiments.off_policy.worlds import curved_world, draw, draw_by_unit

WORLD = curved_world()
WEIGHTED = ("ips", "snips", "dr", "sndr")


class Found:
    """Values, standard errors and hits of one estimator over many logs."""

    def __init__(self, results: list[PolicyValue]) -> None:
        assert {one.status for one in results} == {"ok"}
        self.value = np.array([one.value for one in results])
        self.se = np.array([one.se for one in results])
        self.covered = float(np.mean([one.ci_lower <= WORLD.value <= one.ci_upper for one in results]))

    @property
    def bias_in_errors(self) -> float:
        """Mean error over its own standard error."""
        return float((self.value.mean() - WORLD.value) / (self.value.std(ddof=1) / math.sqrt(len(self.value))))


@cache
def logs(runs: int, n: int, seed: int) -> dict[str, Found]:
    rng = np.random.default_rng(seed)
    judges: dict[str, Estimator] = {name: estimator(name)() for name in (*WEIGHTED, "dm")}
    results: dict[str, list[PolicyValue]] = {name: [] for name in judges}
    for _ in range(runs):
        log, target = draw(WORLD, n, rng)
        model = ridge_rewards(log, 3)
        for name, judge in judges.items():
            results[name].append(judge.evaluate(log, target, scores=model))
    return {name: Found(found) for name, found in results.items()}


def slack(share: float, runs: int) -> float:
    """Four standard errors of a share."""
    return 4 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("name", ["ips", "dr"])
def test_unbiased_whatever_the_model(name: str) -> None:
    assert abs(logs(300, 500, 1)[name].bias_in_errors) < 4


@pytest.mark.parametrize("name", ["snips", "sndr"])
def test_self_normalisation_is_biased_by_less_than_a_tenth_of_its_error(name: str) -> None:
    found = logs(300, 500, 1)[name]
    assert abs(found.value.mean() - WORLD.value) < 0.1 * found.value.std() + 4 * found.value.std() / math.sqrt(300)


def test_a_wrong_model_misleads_the_direct_method_alone() -> None:
    found = logs(300, 500, 1)
    assert abs(found["dm"].bias_in_errors) > 10
    assert found["dm"].covered < 0.8
    assert found["dr"].covered > 0.9


def test_variances_are_in_the_order_that_the_theory_gives() -> None:
    found = logs(300, 500, 1)
    variance = {name: one.value.var(ddof=1) for name, one in found.items()}
    assert variance["snips"] < 0.7 * variance["ips"]
    assert variance["dr"] < 0.9 * variance["ips"]
    assert variance["dm"] < variance["dr"]


def test_a_right_model_takes_most_of_the_variance() -> None:
    """Of rewards that scatter little around their means: what is left is the luck of which rows were explored."""
    rng = np.random.default_rng(8)
    ips, robust = [], []
    for _ in range(200):
        drawn, target = draw(WORLD, 500, rng)
        assert drawn.context is not None
        scores = WORLD.mean[np.searchsorted(WORLD.feature[:, 0], drawn.context[:, 0])]
        reward = scores[np.arange(500), drawn.action] + 0.1 * rng.standard_normal(500)
        log = LoggedBandit(drawn.action, reward, drawn.propensity)
        ips.append(estimator("ips")().evaluate(log, target))
        robust.append(estimator("dr")().evaluate(log, target, scores=scores))
    assert Found(robust).value.var() < 0.3 * Found(ips).value.var()
    assert abs(Found(robust).bias_in_errors) < 4
    assert Found(robust).covered > 0.95 - slack(0.95, 200)


@pytest.mark.parametrize("name", WEIGHTED)
def test_intervals_cover_and_standard_errors_are_right(name: str) -> None:
    found = logs(300, 500, 1)[name]
    assert found.covered > 0.95 - slack(0.95, 300)
    # A standard deviation from 300 runs is itself known to 4 %, four of which are allowed.
    assert np.sqrt(np.mean(found.se**2)) == pytest.approx(found.value.std(ddof=1), rel=0.17)


def arm_means(seed: int, runs: int) -> npt.NDArray[np.float64]:
    """Errors, in its own standard errors, of the direct method where its model is right: no context, three arms."""
    rng, mean = np.random.default_rng(seed), np.array([0.2, 0.5, 0.8])
    policy, z = np.array([[0.7, 0.2, 0.1]]), []
    for _ in range(runs):
        action = rng.integers(0, 3, 200)
        log = LoggedBandit(action, mean[action] + 0.3 * rng.standard_normal(200), np.full(200, 1 / 3))
        found = estimator("dm")().evaluate(log, policy)
        z.append((found.value - float(policy[0] @ mean)) / found.se)
    return np.array(z)


def test_the_direct_methods_interval_holds_where_its_model_does() -> None:
    """Rewards do not depend on a context, so that all its uncertainty is that of the fit."""
    z = arm_means(3, 400)
    assert np.mean(np.abs(z) < 1.972) > 0.95 - slack(0.95, 400)
    assert z.std() == pytest.approx(1, abs=4 / math.sqrt(2 * 400))


def clustered(runs: int, seed: int) -> tuple[float, float]:
    """Coverage of SNIPS with the units and as if rows were independent."""
    rng, judge = np.random.default_rng(seed), estimator("snips")()
    hits = np.zeros(2)
    for _ in range(runs):
        log, target = draw_by_unit(WORLD, 150, rng)
        blind = LoggedBandit(log.action, log.reward, log.propensity)
        for place, seen in enumerate((log, blind)):
            found = judge.evaluate(seen, target)
            hits[place] += found.ci_lower <= WORLD.value <= found.ci_upper
    return float(hits[0] / runs), float(hits[1] / runs)


def test_rows_of_one_unit_are_not_independent() -> None:
    with_units, without = clustered(250, 4)
    assert with_units > 0.95 - slack(0.95, 250)
    assert without < 0.8


def test_uplift_over_the_logging_policy_is_covered() -> None:
    rng, truth = np.random.default_rng(5), WORLD.value - WORLD.logging_value
    hits = 0
    for _ in range(200):
        log, target = draw(WORLD, 500, rng)
        found = policy_uplift(log, target, estimator=estimator("snips")())
        hits += found.ci_lower <= truth <= found.ci_upper
    assert hits / 200 > 0.95 - slack(0.95, 200)


def test_replay_is_unbiased_on_a_uniform_log_and_would_not_be_elsewhere() -> None:
    uniform = WORLD._replace(logging=np.full((7, 3), 1 / 3))
    rng = np.random.default_rng(6)
    found = Found([estimator("replay")().evaluate(*draw(uniform, 400, rng)) for _ in range(200)])
    assert abs(found.bias_in_errors) < 4
    assert found.covered > 0.95 - slack(0.95, 200)
    log, target = draw(WORLD, 200_000, rng)
    kept = target[np.arange(log.n), log.action]
    assert abs(kept @ log.reward / kept.sum() - WORLD.value) > 0.01


@pytest.mark.long
def test_coverage_in_full() -> None:
    """4,000 logs of 1,000 rows: within four standard errors and half a point of the normal approximation of 95 %."""
    found = logs(4000, 1000, 11)
    for name in WEIGHTED:
        assert abs(found[name].covered - 0.95) < slack(0.95, 4000) + 0.005
    for name in ("ips", "dr"):
        assert abs(found[name].bias_in_errors) < 4
    assert abs(clustered(1500, 12)[0] - 0.95) < slack(0.95, 1500) + 0.01
    z = arm_means(13, 4000)
    assert abs(np.mean(np.abs(z) < 1.972) - 0.95) < slack(0.95, 4000) + 0.005
