"""The regressions of LinUCB and LinTS, and what is chosen by them."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from experiments.bandits.lints import LinTS
from experiments.bandits.linucb import LinUCB
from experiments.bandits.statistics import Prior

ARMS = ["a", "b", "c"]


def history(n: int, d: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.choice(ARMS, n).tolist(), rng.normal(size=n), rng.normal(size=(n, d))


def test_one_by_one_is_ridge_regression() -> None:
    """2,500 updates by Sherman and Morrison against the normal equations, solved once."""
    arms, rewards, contexts = history(2500, 4)
    policy = LinUCB(ARMS, n_features=4, prior=Prior((1.0, 0.0, 0.0, 0.0), 2.0))
    policy.propensities(contexts[0])
    for arm, reward, context in zip(arms, rewards, contexts, strict=True):
        policy.update(arm, reward, context)
    for arm, theta in zip(ARMS, policy.coefficients(), strict=True):
        x, r = contexts[np.array(arms) == arm], rewards[np.array(arms) == arm]
        gram = x.T @ x + 2.0 * np.eye(4)
        assert theta == pytest.approx(np.linalg.solve(gram, x.T @ r + np.array([2.0, 0, 0, 0])), abs=1e-9)
    batch = LinUCB(ARMS, n_features=4, prior=Prior((1.0, 0.0, 0.0, 0.0), 2.0))
    batch.update_many(arms, rewards, contexts)
    assert batch.coefficients() == pytest.approx(policy.coefficients(), abs=1e-9)


def test_linucb_bound_by_hand() -> None:
    """a: A = diag(2, 1), θ = (1/2, 0); b: A = I, θ = 0. In (1, 0): 1/2 + α/√2 against α, equal at α = 1.7071."""
    for alpha, chosen in ((1.70, "a"), (1.72, "b")):
        policy = LinUCB(["a", "b"], n_features=2, alpha=alpha)
        policy.update("a", 1.0, [1.0, 0.0])
        assert policy.choose([1.0, 0.0], np.random.default_rng(0)) == (chosen, 1.0)


def test_lints_agrees_with_draws_of_the_coefficients() -> None:
    arms, rewards, contexts = history(60, 3)
    policy = LinTS(ARMS, n_features=3, scale=1.5)
    policy.update_many(arms, rewards, contexts)
    x, rng, draws = np.array([1.0, -0.5, 2.0]), np.random.default_rng(4), []
    for arm, theta in zip(ARMS, policy.coefficients(), strict=True):
        rows = contexts[np.array(arms) == arm]
        covariance = 1.5**2 * np.linalg.inv(rows.T @ rows + np.eye(3))
        draws.append(rng.multivariate_normal(theta, covariance, 40_000) @ x)
    shares = np.bincount(np.argmax(draws, axis=0), minlength=3) / 40_000
    assert policy.propensities(x) == pytest.approx(shares, abs=4 * 0.5 / 200)


@pytest.mark.parametrize("kind", [LinUCB, LinTS])
def test_many_contexts_are_those_of_each(kind: type[LinUCB] | type[LinTS]) -> None:
    arms, rewards, contexts = history(90, 3)
    policy = kind(ARMS, n_features=3, floor=0.02)
    policy.update_many(arms, rewards, contexts)
    places, propensities = policy.choose_many(contexts, np.random.default_rng(0))
    for row in range(90):
        assert propensities[row] == pytest.approx(policy.propensities(contexts[row])[places[row]], abs=1e-9)


def test_it_learns_which_arm_suits_whom() -> None:
    rng = np.random.default_rng(3)
    theta = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    for policy in (LinUCB(ARMS, n_features=2), LinTS(ARMS, n_features=2, scale=0.5)):
        lost = []
        for x in rng.normal(size=(400, 2)):
            arm = ARMS.index(policy.choose(x, rng).arm)
            policy.update(ARMS[arm], theta[arm] @ x + 0.3 * rng.standard_normal(), x)
            lost.append((theta @ x).max() - theta[arm] @ x)
        assert np.mean(lost[300:]) < 0.1
        assert np.mean(lost[:10]) > np.mean(lost[300:])


def test_counts_weigh_their_context() -> None:
    one, other = LinUCB(["a"], n_features=2), LinUCB(["a"], n_features=2)
    one.update_many(["a"], [2.0], [[1.0, 3.0]], counts=[4], sum_squares=[2.0])
    other.update_many(["a"] * 4, [1.0, 1.0, 0.0, 0.0], [[1.0, 3.0]] * 4)
    assert one.coefficients() == pytest.approx(other.coefficients())


def test_contexts_that_do_not_fit_are_refused() -> None:
    policy, rng = LinUCB(["a", "b"], n_features=2), np.random.default_rng(0)
    for context in (None, [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]], [1e200, 0.0]):
        with pytest.raises(DataError, match="context"):
            policy.choose(context, rng)
        with pytest.raises(DataError, match="context"):
            policy.update("a", 1.0, context)
    with pytest.raises(DataError, match="1 contexts for 2 rewards"):
        policy.update_many(["a", "b"], [1.0, 0.0], [[1.0, 2.0]])
