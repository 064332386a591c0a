"""Whether a log says anything about a policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from experiments.off_policy.evaluation_policy import evaluation_policy
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.overlap import Overlap, overlap
from tests.experiments.off_policy.worlds import curved_world, draw


def uniform_log(n: int, k: int = 2, **more: object) -> LoggedBandit:
    return LoggedBandit(np.arange(n) % k, np.ones(n), np.full(n, 1 / k), **more)  # type: ignore[arg-type]


def seen(log: LoggedBandit, policy: object, min_ess: float = 100) -> Overlap:
    return overlap(log, evaluation_policy(policy, log), min_ess=min_ess)  # type: ignore[arg-type]


def test_weights_by_hand() -> None:
    log = LoggedBandit(np.array([0, 1, 0, 1]), np.ones(4), np.array([0.5, 0.5, 0.25, 0.75]))
    found = seen(log, [[0.75, 0.25]], min_ess=1)
    assert found.weights == pytest.approx([1.5, 0.5, 3.0, 1 / 3])
    assert found.ess == pytest.approx((1.5 + 0.5 + 3 + 1 / 3) ** 2 / (2.25 + 0.25 + 9 + 1 / 9))
    assert (found.max_weight, found.matched) == (3.0, 1.0)
    assert found.mean_weight == pytest.approx(5.3333333 / 4)


@given(st.integers(100, 300), st.integers(0, 10**6))
def test_the_logging_policy_itself_has_all_rows(n: int, seed: int) -> None:
    log, _ = draw(curved_world(), n, np.random.default_rng(seed), with_policy=True)
    assert log.logging_policy is not None
    found = seen(log, log.logging_policy)
    assert found.ess == pytest.approx(n)
    assert (found.mean_weight, found.matched, found.status) == (pytest.approx(1), 1.0, "ok")


def test_an_empty_log_and_a_single_unit() -> None:
    empty = seen(LoggedBandit(np.empty(0, int), np.empty(0), np.empty(0)), [[0.5, 0.5]])
    assert empty.status == "no_units"
    assert math.isnan(empty.ess)
    assert seen(uniform_log(50, unit=np.zeros(50, int)), [[0.5, 0.5]]).status == "too_few_units"


def test_no_row_that_the_policy_could_have_made() -> None:
    log = LoggedBandit(np.zeros(50, int), np.ones(50), np.full(50, 0.5))
    assert seen(log, np.ones(50, int)).status == "no_overlap"


def test_mass_where_the_logging_policy_has_none() -> None:
    table = np.tile([1.0, 0.0], (100, 1))
    table[:50] = 0.5
    log = LoggedBandit(np.tile([0, 1], 50) * (np.arange(100) < 50), np.ones(100), table[:, 0], logging_policy=table)
    assert seen(log, [[0.5, 0.5]]).status == "no_overlap"
    assert seen(log, np.zeros(100, int), min_ess=20).status == "ok"
    assert seen(log, [[1.0, 0.0, 0.0]], min_ess=20).status == "ok"
    assert seen(log, [[0.9, 0.0, 0.1]]).status == "no_overlap"


def test_a_certain_action_leaves_no_room_for_another() -> None:
    log = LoggedBandit(np.arange(200) % 2, np.ones(200), np.ones(200))
    assert seen(log, [[0.5, 0.5]]).status == "no_overlap"
    assert seen(log, np.arange(200) % 2).status == "ok"


def test_an_action_never_logged_is_missing_overlap_only_if_it_would_have_come_up() -> None:
    assert seen(uniform_log(300, 2), [[0.49, 0.49, 0.02]]).status == "no_overlap"
    rare = LoggedBandit(np.arange(400) % 1000, np.ones(400), np.full(400, 0.001))
    assert seen(rare, np.full((1, 1000), 0.001)).status in ("ok", "wrong_weights")
    assert seen(rare, np.full((1, 1000), 0.001)).status != "no_overlap"


def test_few_rows_that_count() -> None:
    log = LoggedBandit(np.arange(1000) % 100, np.ones(1000), np.full(1000, 0.01))
    found = seen(log, np.zeros(1000, int))
    assert (found.status, found.ess) == ("low_ess", pytest.approx(10))


@pytest.mark.parametrize("logged", [0.25, 0.9])
def test_wrong_propensities_show_in_the_mean_weight(logged: float) -> None:
    log = LoggedBandit(np.arange(1000) % 2, np.ones(1000), np.full(1000, logged))
    found = seen(log, [[0.5, 0.5]])
    assert found.status == "wrong_weights"
    assert found.mean_weight == pytest.approx(0.5 / logged)


def test_propensities_kept_with_few_digits_are_not_wrong() -> None:
    log = LoggedBandit(np.arange(999) % 3, np.ones(999), np.full(999, 0.333))
    assert seen(log, np.full((1, 3), 1 / 3)).status == "ok"


def test_right_weights_are_not_called_wrong() -> None:
    """One in a million: no alarm is to be expected in 400 logs, though a few weights of 37 make up most of the mean."""
    rng, world = np.random.default_rng(7), curved_world()
    steep = np.array([1.2, 0.0, -1.2]) * world.feature
    heavy = world._replace(logging=special.softmax(steep, axis=1), target=special.softmax(-steep, axis=1))
    found = [seen(*draw(heavy, 300, rng), min_ess=5).status for _ in range(400)]
    assert set(found) == {"ok"}


def test_rows_of_few_units_are_no_evidence_against_the_weights() -> None:
    """One user's hundred rows with weight 2 may be one draw."""
    log = LoggedBandit(np.repeat([0, 1, 0, 0], 100), np.ones(400), np.full(400, 0.5), unit=np.repeat(np.arange(4), 100))
    assert seen(log, np.zeros(400, int)).status == "ok"
    alone = LoggedBandit(log.action, log.reward, log.propensity)
    assert seen(alone, np.zeros(400, int)).status == "wrong_weights"


def test_huge_weights_do_not_overflow() -> None:
    log = LoggedBandit(np.array([0, 0, 1] * 20), np.ones(60), np.tile([1e-300, 1e-300, 0.5], 20))
    assert math.isfinite(seen(log, [[0.5, 0.5]]).ess)
