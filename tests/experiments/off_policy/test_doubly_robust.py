"""Direct method and doubly robust estimators, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.off_policy.direct_method import DirectMethod
from experiments.off_policy.doubly_robust import DoublyRobust, SelfNormalisedDoublyRobust
from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.reward_model import ridge_rewards
from experiments.off_policy.snips import SNIPS
from tests.experiments.off_policy.worlds import curved_world, draw

LOG = LoggedBandit(np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 0.0, 4.0]), np.array([0.5, 0.5, 0.25, 0.8]))
POLICY = np.array([[0.6, 0.4]])
WEIGHTS = np.array([1.2, 0.8, 2.4, 0.5])
SCORES = np.array([[0.5, 1.0], [1.0, 1.5], [0.0, 3.0], [2.0, 2.0]])
EXPECTED = 0.6 * SCORES[:, 0] + 0.4 * SCORES[:, 1]
ERRORS = LOG.reward - SCORES[np.arange(4), LOG.action]


def test_the_direct_method_is_the_models_mean() -> None:
    found = DirectMethod().evaluate(LOG, POLICY, scores=SCORES)
    assert found.value == pytest.approx(EXPECTED.mean())
    assert found.se == pytest.approx(EXPECTED.std(ddof=1) / 2)


def test_doubly_robust_corrects_it() -> None:
    products = EXPECTED + WEIGHTS * ERRORS
    found = DoublyRobust().evaluate(LOG, POLICY, scores=SCORES, min_ess=1)
    assert found.value == pytest.approx(products.mean())
    assert found.se == pytest.approx(products.std(ddof=1) / 2)
    normalised = SelfNormalisedDoublyRobust().evaluate(LOG, POLICY, scores=SCORES, min_ess=1)
    assert normalised.value == pytest.approx(EXPECTED.mean() + WEIGHTS @ ERRORS / WEIGHTS.sum())


def test_switch_leaves_large_weights_to_the_model() -> None:
    used = np.where(WEIGHTS <= 1.0, WEIGHTS, 0)
    found = DoublyRobust(switch=1.0).evaluate(LOG, POLICY, scores=SCORES, min_ess=1)
    assert found.value == pytest.approx((EXPECTED + used * ERRORS).mean())
    none_left = SelfNormalisedDoublyRobust(switch=0.1).evaluate(LOG, POLICY, scores=SCORES, min_ess=1)
    assert none_left.value == pytest.approx(EXPECTED.mean())


def test_clip_cuts_the_correction() -> None:
    found = DoublyRobust(clip=1.0).evaluate(LOG, POLICY, scores=SCORES, min_ess=1)
    assert found.value == pytest.approx((EXPECTED + np.minimum(WEIGHTS, 1) * ERRORS).mean())


def test_without_a_model_they_are_ips_and_snips() -> None:
    nothing = np.zeros((4, 2))
    plain = DoublyRobust().evaluate(LOG, POLICY, scores=nothing, min_ess=1)
    assert plain[1:5] == pytest.approx(IPS().evaluate(LOG, POLICY, min_ess=1)[1:5])
    normalised = SelfNormalisedDoublyRobust().evaluate(LOG, POLICY, scores=nothing, min_ess=1)
    assert normalised[1:5] == pytest.approx(SNIPS().evaluate(LOG, POLICY, min_ess=1)[1:5])


def test_a_model_fitted_once_serves_all() -> None:
    log, target = draw(curved_world(), 300, np.random.default_rng(1))
    model = ridge_rewards(log, 3)
    for judge in (DirectMethod(), DoublyRobust(), SelfNormalisedDoublyRobust()):
        assert judge.evaluate(log, target, scores=model) == judge.evaluate(log, target)


def test_the_ridge_models_interval_is_wider_than_that_of_its_scores() -> None:
    """The coefficients are uncertain; given scores are taken as they are."""
    log, target = draw(curved_world(), 300, np.random.default_rng(1))
    model = ridge_rewards(log, 3)
    assert (
        DirectMethod().evaluate(log, target, scores=model).se
        > 1.5 * DirectMethod().evaluate(log, target, scores=model.scores).se
    )
