"""Policies read for the rows of a log."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.off_policy.evaluation_policy import evaluation_policy
from experiments.off_policy.logged_bandit import LoggedBandit

LOG = LoggedBandit(np.array([0, 2, 1]), np.zeros(3), np.full(3, 0.5))


@given(st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_a_deterministic_policy_is_one_hot(choice: list[int]) -> None:
    one_hot = evaluation_policy(np.eye(3)[choice], LOG)
    chosen = evaluation_policy(choice, LOG)
    scores, group = np.arange(9.0).reshape(3, 3), np.array([1, 0, 1])
    features = np.array([[1.0, 2.0], [0.5, 3.0], [1.0, -1.0]])
    assert chosen.n_actions == 3
    assert (chosen.of(LOG.action) == one_hot.of(LOG.action)).all()
    assert (chosen.expectation(scores) == one_hot.expectation(scores)).all()
    assert (chosen.weighted_sums(features, group, 2) == one_hot.weighted_sums(features, group, 2)).all()
    for marked in np.eye(3, dtype=bool):
        assert chosen.mass(marked) == one_hot.mass(marked)
    allowed = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert chosen.strays_from(allowed) == one_hot.strays_from(allowed)


def test_one_row_serves_all() -> None:
    policy = evaluation_policy([[0.2, 0.3, 0.5]], LOG)
    assert policy.of(LOG.action).tolist() == [0.2, 0.5, 0.3]
    assert policy.mass(np.array([True, False, True])) == pytest.approx(0.7)


def test_a_policy_read_once_is_taken_as_it_is() -> None:
    policy = evaluation_policy([0, 1, 2], LOG)
    assert evaluation_policy(policy, LOG) is policy


def test_a_policy_may_know_more_actions_than_the_log_shows() -> None:
    assert evaluation_policy([0, 4, 2], LOG).n_actions == 5


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([0, 1], "policy chooses in 2 rows, the log has 3"),
        ([0, -1, 2], "policy holds -1"),
        ([[0.5, 0.5]], "the log has 3 actions, policy 2"),
        ([[0.2, 0.3, 0.5]] * 2, "policy has 2 rows, the log 3; need as many, or one for all"),
        ([[0.2, 0.3, 0.4]], "no distribution"),
        ([0.2, 0.3, 0.5], r"policy has shape \(3,\), must be \(n, k\)"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(policy: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluation_policy(policy, LOG)  # type: ignore[arg-type]
