"""One policy against another on the same log."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.off_policy.comparison import policy_uplift
from experiments.off_policy.doubly_robust import DoublyRobust
from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.registry import ESTIMATORS, estimator
from experiments.off_policy.snips import SNIPS
from tests.experiments.off_policy.worlds import curved_world, draw

NEARLY_UNIFORM = curved_world()._replace(logging=np.full((7, 3), 1 / 3))


def test_influences_are_paired() -> None:
    log, target = draw(NEARLY_UNIFORM, 500, np.random.default_rng(1))
    baseline = np.tile([0.5, 0.3, 0.2], (500, 1))
    found = policy_uplift(log, target, baseline, estimator=IPS())
    rows = np.arange(500)
    products = (target[rows, log.action] - baseline[rows, log.action]) / log.propensity * log.reward
    assert found.effect_size == pytest.approx(products.mean())
    assert found.se == pytest.approx(products.std(ddof=1) / math.sqrt(500))
    one, other = (IPS().evaluate(log, policy) for policy in (target, baseline))
    assert found.rel_effect_size == pytest.approx(one.value / other.value - 1)
    assert found.se < math.hypot(one.se, other.se)


def test_the_baseline_is_the_logging_policy_where_none_is_given() -> None:
    log, target = draw(NEARLY_UNIFORM, 500, np.random.default_rng(2))
    found = policy_uplift(log, target, estimator=SNIPS())
    assert found.baseline_value == pytest.approx(log.reward.mean())
    assert found.ess < 500


@given(seed=st.integers(0, 10**6), name=st.sampled_from(sorted(ESTIMATORS)))
def test_policies_swapped_turn_the_sign(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    log, target = draw(NEARLY_UNIFORM, 150, rng)
    baseline, judge, scores = rng.dirichlet(np.ones(3), 150), estimator(name)(), rng.random((150, 3))
    there = policy_uplift(log, target, baseline, estimator=judge, scores=scores)
    back = policy_uplift(log, baseline, target, estimator=judge, scores=scores)
    assert there.effect_size == pytest.approx(-back.effect_size, abs=1e-12)
    assert (there.ci_lower, there.pvalue) == pytest.approx((-back.ci_upper, back.pvalue), nan_ok=True)
    if there.status == "ok":
        assert there.ci_lower <= there.effect_size <= there.ci_upper
        assert 0 <= there.pvalue <= 1


def test_a_policy_against_itself_has_nothing_to_tell_apart() -> None:
    log, target = draw(NEARLY_UNIFORM, 200, np.random.default_rng(3))
    for judge in (SNIPS(), DoublyRobust()):
        found = policy_uplift(log, target, target, estimator=judge)
        assert (found.status, found.effect_size) == ("no_variance", 0)
        assert math.isnan(found.pvalue)


def test_a_policy_that_the_log_cannot_judge() -> None:
    log = LoggedBandit(np.zeros(100, int), np.ones(100), np.full(100, 0.5))
    found = policy_uplift(log, np.ones(100, int), estimator=IPS())
    assert found.status == "no_overlap"
    assert math.isnan(found.effect_size)
    assert json.loads(json.dumps(found.as_document()))["effect_size"] is None
    empty = LoggedBandit(np.empty(0, int), np.empty(0), np.empty(0))
    assert policy_uplift(empty, np.full((1, 2), 0.5), estimator=IPS()).status == "no_units"
    alone = LoggedBandit(np.array([0]), np.ones(1), np.full(1, 0.5))
    assert policy_uplift(alone, np.full((1, 2), 0.5), estimator=IPS()).status == "too_few_units"


def test_no_relative_effect_of_a_baseline_that_is_not_above_zero() -> None:
    log, target = draw(NEARLY_UNIFORM, 300, np.random.default_rng(4))
    debts = LoggedBandit(log.action, log.reward - 2, log.propensity)
    found = policy_uplift(debts, target, estimator=SNIPS())
    assert found.status == "ok"
    assert math.isfinite(found.se)
    assert math.isnan(found.rel_effect_size)
    assert math.isnan(found.rel_ci_lower)


def test_alpha_out_of_range_is_refused() -> None:
    log, target = draw(NEARLY_UNIFORM, 50, np.random.default_rng(5))
    with pytest.raises(ConfigError, match="alpha == 0"):
        policy_uplift(log, target, estimator=IPS(), alpha=0)
