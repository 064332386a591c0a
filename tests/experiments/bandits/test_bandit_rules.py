"""Each rule by hand, and as numbers against as draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special

from core.errors import ConfigError, DataError
from experiments.bandits.context_free import ContextFree
from experiments.bandits.epsilon_greedy import EpsilonGreedy
from experiments.bandits.kl_ucb import KLUCB, kl_upper_bound
from experiments.bandits.registry import BANDITS, bandit
from experiments.bandits.softmax import Softmax
from experiments.bandits.statistics import Prior
from experiments.bandits.thompson_beta import ThompsonBeta
from experiments.bandits.thompson_gaussian import ThompsonGaussian
from experiments.bandits.ucb1 import UCB1

CONTEXT_FREE = [name for name in BANDITS if not bandit(name).contextual]


@pytest.mark.parametrize("name", CONTEXT_FREE)
def test_the_highest_index_comes_up_as_often_as_the_preference_says(name: str) -> None:
    policy = bandit(name)(["a", "b", "c"])
    assert isinstance(policy, ContextFree)
    policy.update_many(["a"] * 20 + ["b"] * 30 + ["c"] * 9, [1, 0] * 10 + [1, 0, 1] * 10 + [0, 0, 1] * 3)
    one = policy.statistics()
    many = one._replace(**{part: np.tile(getattr(one, part), (40_000, 1)) for part in ("n", "sums", "squares")})
    many = many._replace(total=np.full(40_000, one.total))
    index = policy.index(many, np.random.default_rng(6))
    shares = np.bincount(index.argmax(axis=1), minlength=3) / 40_000
    assert shares == pytest.approx(policy.preference(one), abs=4 * 0.5 / 200)


def test_ucb1_reference_case() -> None:
    """'ucb1', the form of MABWiser."""
    policy = UCB1(["A", "B", "C"], alpha=1)
    policy.update_many(list("AABABCCC"), [1, 0, 1, 1, 0, 0, 0, 1])
    expected = [1.8440766891821414, 1.942026886600883, 1.510743355848808]
    assert policy.upper_bound(policy.statistics()) == pytest.approx(expected, abs=1e-6)
    assert policy.propensities().tolist() == [0.0, 1.0, 0.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.01, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9, 1.0])
@pytest.mark.parametrize("divergence", [0.0, 1e-12, 1e-6, 0.01, 0.3, 2.0, 10.0])
def test_kl_bound_solves_its_equation(mean: float, divergence: float) -> None:
    def excess(q: float) -> float:
        return float(special.rel_entr(mean, q) + special.rel_entr(1 - mean, 1 - q)) - divergence

    last = 1 - 1e-16
    if divergence == 0:
        expected = mean
    else:
        expected = 1.0 if mean == 1 or excess(last) < 0 else optimize.brentq(excess, mean, last, xtol=1e-15)
    assert kl_upper_bound(mean, divergence) == pytest.approx(expected, abs=1e-9)


def test_kl_ucb_is_tighter_than_ucb1() -> None:
    tight, wide = KLUCB(["a", "b"]), UCB1(["a", "b"])
    for policy in (tight, wide):
        policy.update_many(["a"] * 10 + ["b"] * 10, [1, 0] * 5 + [0] * 10)
    bounds = tight.upper_bound(tight.statistics())
    assert (bounds < wide.upper_bound(wide.statistics())).all()
    assert (bounds > tight.statistics().mean).all()
    longer = KLUCB(["a", "b"], c=3.0)
    longer.update_many(["a"] * 10 + ["b"] * 10, [1, 0] * 5 + [0] * 10)
    assert (longer.upper_bound(longer.statistics()) > bounds).all()


def test_epsilon_greedy_by_hand() -> None:
    policy = EpsilonGreedy(["a", "b", "c", "d"], epsilon=0.2, floor=0.01)
    policy.update_many(["a", "b", "c", "d"], [1.0, 2.0, 2.0, -1.0])
    # q = .05 and .05 + .8 / 2, then .01 + .96 q.
    assert policy.propensities() == pytest.approx([0.058, 0.442, 0.442, 0.058])


def test_softmax_by_hand_and_without_overflow() -> None:
    policy = Softmax(["a", "b"], temperature=2.0)
    policy.update_many(["a", "b"], [3.0, 1.0])
    assert policy.propensities()[0] == pytest.approx(math.e / (1 + math.e))
    policy.update("a", 1e50)
    assert policy.propensities().tolist() == [1.0, 0.0]


def test_thompson_beta_by_hand() -> None:
    """P(X > Y) for X ~ Beta(3, 1), Y ~ Beta(1, 1) is E[X] = 3/4."""
    policy = ThompsonBeta(["x", "y"])
    policy.update_many(["x", "x"], [1, 1])
    assert policy.propensities() == pytest.approx([0.75, 0.25], abs=1e-4)


@pytest.mark.parametrize("reward", [0.5, 2, -1])
def test_thompson_beta_takes_only_0_and_1(reward: float) -> None:
    with pytest.raises(DataError, match="must be 0 or 1"):
        ThompsonBeta(["a"]).update("a", reward)
    with pytest.raises(DataError, match="must be 0 or 1"):
        ThompsonBeta(["a"]).update_many(["a"], [reward])
    with pytest.raises(DataError, match="must be a number in 0 … 1"):
        KLUCB(["a"]).update("a", 1.5)


def test_sums_that_cannot_be() -> None:
    policy = ThompsonBeta(["a"])
    for counts, sums in (([2], [3]), ([-1], [0]), ([2.5], [1]), ([2], [0.5]), ([math.nan], [0])):
        with pytest.raises(DataError, match="cannot be"):
            policy.update_many(["a"], sums, counts=counts)
    with pytest.raises(DataError, match="sum_squares is missing"):
        ThompsonGaussian(["a"]).update_many(["a"], [3.0], counts=[2])
    with pytest.raises(DataError, match="cannot be"):
        ThompsonGaussian(["a"]).update_many(["a"], [4.0], counts=[2], sum_squares=[7.0])


def test_propensities_are_refreshed_as_rewards_grow() -> None:
    """With refresh .1 an arm of 100 rewards must get more than 10 before they count."""
    policy, prompt = ThompsonBeta(["a", "b"], refresh=0.1), ThompsonBeta(["a", "b"], refresh=0)
    for one in (policy, prompt):
        one.update_many(["a", "b"], [50, 50], counts=[100, 100])
    assert policy.propensities() == pytest.approx([0.5, 0.5])
    for _ in range(10):
        policy.update("a", 1)
        prompt.update("a", 1)
    assert policy.propensities() == pytest.approx([0.5, 0.5])
    policy.update("a", 1)
    prompt.update("a", 1)
    assert policy.propensities().tolist() == prompt.propensities().tolist()
    assert policy.propensities()[0] > 0.7


def test_thompson_gaussian_does_not_depend_on_the_unit() -> None:
    rng = np.random.default_rng(2)
    arms, rewards = ["a", "b", "c"] * 30, rng.normal(size=90) + np.tile([0, 0.1, 0.2], 30)
    one, other = ThompsonGaussian(["a", "b", "c"]), ThompsonGaussian(["a", "b", "c"])
    one.update_many(arms, rewards)
    other.update_many(arms, 1000 * rewards)
    assert other.propensities() == pytest.approx(one.propensities(), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ucb1", {"alpha": -1}),
        ("ucb1", {"alpha": math.nan}),
        ("kl_ucb", {"c": -1}),
        ("kl_ucb", {"prior": Prior(1.5, 1)}),
        ("epsilon_greedy", {"epsilon": 1.1}),
        ("softmax", {"temperature": 0}),
        ("thompson_gaussian", {"burn_in": 1}),
        ("thompson_beta", {"prior": Prior(0.5, 0)}),
        ("thompson_beta", {"prior": Prior(1.0, 2)}),
        ("thompson_beta", {"prior": Prior((0.5, 0.5), 2)}),
        ("linucb", {"n_features": 0}),
        ("linucb", {"n_features": 1, "alpha": -1}),
        ("lints", {"n_features": 1, "scale": 0}),
        ("lints", {"n_features": 1, "refresh": 0.1}),
        ("lints", {"n_features": 1, "prior": Prior((0.0,), 0.0)}),
        ("lints", {"n_features": 2, "prior": Prior((0.0,), 1.0)}),
        ("lints", {"n_features": 2, "prior": Prior(0.0, 1.0)}),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        bandit(name)(["a", "b"], **wrong)  # type: ignore[arg-type]
