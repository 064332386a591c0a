"""Cross-fitted ridge regression, and scores from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from core.errors import ConfigError, DataError
from experiments.off_policy.evaluation_policy import evaluation_policy
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.reward_model import given_scores, ridge_rewards
from tests.experiments.off_policy.worlds import curved_world, draw, draw_by_unit

RNG = np.random.default_rng(4)


def linear_log(n: int, noise: float = 0.0) -> tuple[LoggedBandit, np.ndarray]:
    rng = np.random.default_rng(9)
    x, action = rng.normal(2.0, 3.0, (n, 2)), rng.integers(0, 3, n)
    scores = 1 + x @ np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])
    reward = scores[np.arange(n), action] + noise * rng.standard_normal(n)
    return LoggedBandit(action, reward, np.full(n, 1 / 3), context=x), scores


def test_a_linear_world_is_learnt() -> None:
    log, truth = linear_log(3000)
    assert ridge_rewards(log, 3, reg=1e-6).scores == pytest.approx(truth, abs=1e-4)


def test_each_fold_is_a_ridge_regression_of_the_others() -> None:
    log, _ = linear_log(200, noise=1.0)
    found = ridge_rewards(log, 3, n_folds=4, reg=2.5, seed=3)
    assert found.fit is not None
    assert log.context is not None
    others = found.fit.fold != 1
    mean = log.reward[others].mean()
    for action in range(3):
        rows = others & (log.action == action)
        # The constant is penalised too: it draws a rare action towards the mean of all.
        peer = Ridge(alpha=2.5, fit_intercept=False).fit(found.fit.features[rows], log.reward[rows] - mean)
        expected = mean + peer.predict(found.fit.features[~others])
        assert found.scores[~others, action] == pytest.approx(expected, abs=1e-9)


def test_no_row_is_predicted_from_its_own_units_rewards() -> None:
    log, _ = draw_by_unit(curved_world(), 40, np.random.default_rng(5))
    before = ridge_rewards(log, 3)
    assert log.unit is not None
    own = log.unit == 7
    changed = LoggedBandit(log.action, log.reward + 100 * own, log.propensity, context=log.context, unit=log.unit)
    after = ridge_rewards(changed, 3)
    assert after.scores[own] == pytest.approx(before.scores[own], abs=1e-9)
    assert not np.allclose(after.scores[~own], before.scores[~own])


def test_without_context_it_predicts_the_actions_mean() -> None:
    log = LoggedBandit(np.array([0, 1] * 500), np.array([2.0, 5.0] * 500), np.full(1000, 0.5))
    assert ridge_rewards(log, 3).scores[0] == pytest.approx([2.0, 5.0, 3.5], abs=0.05)


def test_unit_of_the_context_does_not_matter() -> None:
    log, _ = linear_log(300, noise=1.0)
    assert log.context is not None
    scaled = LoggedBandit(log.action, log.reward, log.propensity, context=1e6 * log.context - 5)
    assert ridge_rewards(scaled, 3).scores == pytest.approx(ridge_rewards(log, 3).scores, abs=1e-6)


def test_a_context_that_never_varies_says_nothing() -> None:
    log = LoggedBandit(
        np.array([0, 1] * 20), np.array([2.0, 5.0] * 20), np.full(40, 0.5), context=np.full((40, 2), 7.0)
    )
    bare = LoggedBandit(log.action, log.reward, log.propensity)
    assert ridge_rewards(log, 2).scores == pytest.approx(ridge_rewards(bare, 2).scores)


def test_too_little_to_cross_fit() -> None:
    empty = LoggedBandit(np.empty(0, int), np.empty(0), np.empty(0))
    assert ridge_rewards(empty, 2).scores.shape == (0, 2)
    one = LoggedBandit(np.array([0]), np.array([3.0]), np.array([0.5]))
    assert ridge_rewards(one, 2).scores.tolist() == [[3.0, 3.0]]
    two = LoggedBandit(np.array([0, 1]), np.array([3.0, 1.0]), np.array([0.5, 0.5]))
    assert np.isfinite(ridge_rewards(two, 2).scores).all()


def test_the_fits_influence_is_what_a_changed_reward_does() -> None:
    """Shift one reward by a little and see the policy's mean score move by what the influence says of its row."""
    log, target = draw(curved_world(), 120, np.random.default_rng(6))
    policy, row, shift = evaluation_policy(target, log), 17, 1e-3
    model = ridge_rewards(log, 3)
    moved = log.reward.copy()
    moved[row] += shift
    again = ridge_rewards(LoggedBandit(log.action, moved, log.propensity, context=log.context), 3)
    change = (policy.expectation(again.scores).mean() - policy.expectation(model.scores).mean()) * log.n / shift
    residual = log.reward - model.scores[np.arange(log.n), log.action]
    # The mean reward r̄ that rare actions are drawn to moves a little as well; the influence leaves that out.
    assert model.fit_influence(log, policy)[row] / residual[row] == pytest.approx(change, rel=0.1)


def test_given_scores_are_checked_and_have_no_influence() -> None:
    log = LoggedBandit(np.array([0, 1]), np.zeros(2), np.full(2, 0.5))
    model = given_scores([[1, 2], [3, 4]], log, 2)
    assert model.fit_influence(log, evaluation_policy([0, 1], log)).tolist() == [0.0, 0.0]
    with pytest.raises(DataError, match=r"scores has shape \(1, 2\), must be \(2, 2\)"):
        given_scores([[1, 2]], log, 2)
    with pytest.raises(DataError, match="1 scores are not finite"):
        given_scores([[1, np.nan], [3, 4]], log, 2)


def test_a_fit_that_cannot_be_is_refused() -> None:
    log = LoggedBandit(np.array([0, 1]), np.zeros(2), np.full(2, 0.5))
    with pytest.raises(ConfigError, match="n_folds == 1"):
        ridge_rewards(log, 2, n_folds=1)
    with pytest.raises(ConfigError, match="reg == 0"):
        ridge_rewards(log, 2, reg=0)
