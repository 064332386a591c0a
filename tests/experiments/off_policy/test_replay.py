"""Replay, by hand, and the logs that it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.replay import Replay
from tests.experiments.off_policy.worlds import curved_world, draw


def test_a_deterministic_policy_keeps_its_matches() -> None:
    rng = np.random.default_rng(1)
    action, choice, reward = rng.integers(0, 3, 300), rng.integers(0, 3, 300), rng.random(300)
    found = Replay().evaluate(LoggedBandit(action, reward, np.full(300, 1 / 3)), choice)
    kept = reward[action == choice]
    assert found.value == pytest.approx(kept.mean())
    assert found.ess == pytest.approx(len(kept))
    assert found.matched == pytest.approx(len(kept) / 300)
    # Of a mean over as many rows as happened to match.
    assert found.se == pytest.approx(kept.std() / math.sqrt(len(kept)), rel=0.01)


def test_a_log_that_was_not_uniform_is_refused() -> None:
    log, target = draw(curved_world(), 300, np.random.default_rng(2))
    found = Replay().evaluate(log, target)
    assert found.status == "not_uniform"
    assert math.isnan(found.value)


def test_constant_propensities_over_other_actions_than_the_policys_are_not_uniform() -> None:
    log = LoggedBandit(np.arange(300) % 2, np.ones(300), np.full(300, 0.5))
    assert Replay().evaluate(log, np.full((1, 4), 0.25)).status == "not_uniform"


def test_the_logging_policys_table_decides_where_there_is_one() -> None:
    table = np.tile([0.5, 0.3, 0.2], (300, 1))
    log = LoggedBandit(np.zeros(300, int), np.ones(300), table[:, 0], logging_policy=table)
    assert Replay().evaluate(log, np.zeros(300, int)).status == "not_uniform"
