"""Logs that cannot be are refused when they are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from experiments.off_policy.logged_bandit import LoggedBandit, check_probabilities

GOOD: dict[str, Any] = {"action": [0, 1, 1], "reward": [1.0, 0.0, 2.0], "propensity": [0.5, 0.25, 1.0]}


def test_lists_are_read_and_counted() -> None:
    log = LoggedBandit(**GOOD, unit=["b", "a", "b"], context=[[1], [2], [3]])
    assert (log.n, log.n_units, log.n_actions) == (3, 2, 2)
    assert log.unit is not None
    assert log.unit.tolist() == [1, 0, 1]
    assert log.reward.dtype == np.float64


def test_an_empty_log_is_a_log() -> None:
    log = LoggedBandit(action=[], reward=[], propensity=[], unit=[])  # type: ignore[arg-type]
    assert (log.n, log.n_units, log.n_actions) == (0, 0, 0)


def test_the_logging_policy_tells_how_many_actions_there_are() -> None:
    table = [[0.5, 0.3, 0.2], [0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]
    assert LoggedBandit(**GOOD, logging_policy=table).n_actions == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"propensity": [0.5, 0.0, 1.0]}, r"1 of 3 propensities are outside \(0, 1\]"),
        ({"propensity": [0.5, 1.5, -1.0]}, "2 of 3 propensities"),
        ({"propensity": [0.5, np.nan, 1.0]}, "1 values of propensity are not finite"),
        ({"reward": [np.nan, np.inf, 1.0]}, "2 values of reward are not finite"),
        ({"reward": [1.0, 2.0]}, r"reward has shape \(2,\), must be \(3,\) like action"),
        ({"action": [0, -1, 1]}, "action holds -1"),
        ({"action": [0.0, 1.0, 1.0]}, r"\(n,\) whole numbers"),
        ({"action": [[0, 1, 1]]}, r"action has shape \(1, 3\)"),
        ({"context": [1.0, 2.0, 3.0]}, r"context has shape \(3,\), must be \(3, d\)"),
        ({"context": [[1.0], [np.nan], [0.0]]}, "1 values of context"),
        ({"unit": [1, 2]}, r"unit has shape \(2,\)"),
        ({"unit": [1.0, np.nan, 2.0]}, "unit holds NaN"),
        ({"logging_policy": [[0.5, 0.5]]}, "logging_policy has 1 rows, action 3"),
        ({"logging_policy": [[1.0]] * 3}, "logging_policy has 1 actions"),
        ({"logging_policy": [[0.5, 0.5]] * 3}, "2 propensities differ"),
        ({"logging_policy": [[0.5, 0.6]] * 3}, "3 rows of logging_policy are no distribution"),
    ],
)
def test_contradictions_are_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        LoggedBandit(**{**GOOD, **changed})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("row", [[1.2, -0.2], [0.4, 0.4], [np.nan, 1.0], [np.inf, -np.inf]])
def test_what_is_no_distribution_is_refused(row: list[float]) -> None:
    with pytest.raises(DataError, match="1 of 1 rows of policy are no distribution"), np.errstate(invalid="ignore"):
        check_probabilities("policy", [row])
