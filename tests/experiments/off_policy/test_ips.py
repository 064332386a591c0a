"""Inverse propensity scoring, plain and self-normalised, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.snips import SNIPS

LOG = LoggedBandit(np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 0.0, 4.0]), np.array([0.5, 0.5, 0.25, 0.8]))
POLICY = np.array([[0.6, 0.4]])
WEIGHTS = np.array([1.2, 0.8, 2.4, 0.5])


def test_ips_is_the_mean_of_weighted_rewards() -> None:
    found = IPS().evaluate(LOG, POLICY, min_ess=1)
    products = WEIGHTS * LOG.reward
    assert found.value == pytest.approx(products.mean())
    assert found.se == pytest.approx(products.std(ddof=1) / 2)


def test_snips_is_the_weighted_mean_with_the_delta_methods_error() -> None:
    found = SNIPS().evaluate(LOG, POLICY, min_ess=1)
    value = (WEIGHTS * LOG.reward).sum() / WEIGHTS.sum()
    assert found.value == pytest.approx(value)
    residual = WEIGHTS * (LOG.reward - value)
    assert found.se == pytest.approx(math.sqrt(4 / 3 * (residual**2).sum()) / WEIGHTS.sum())


def test_clipping_cuts_the_weights() -> None:
    cut = np.minimum(WEIGHTS, 1.0)
    assert IPS(clip=1.0).evaluate(LOG, POLICY, min_ess=1).value == pytest.approx((cut * LOG.reward).mean())
    assert SNIPS(clip=1.0).evaluate(LOG, POLICY, min_ess=1).value == pytest.approx(cut @ LOG.reward / cut.sum())
    # Diagnostics are of the weights as they are.
    assert IPS(clip=1.0).evaluate(LOG, POLICY, min_ess=1).max_weight == pytest.approx(2.4)
