"""What holds for every registered off-policy estimator."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import experiments.off_policy
from core.errors import ConfigError, DataError, UnknownName
from experiments.off_policy.doubly_robust import DoublyRobust, SelfNormalisedDoublyRobust
from experiments.off_policy.estimator import Estimator
from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit
from experiments.off_policy.registry import ESTIMATORS, estimator, estimator_names
from experiments.off_policy.snips import SNIPS
from tests.experiments.off_policy.worlds import World, curved_world, draw

ALL = [estimator(name)() for name in ESTIMATORS]
each = pytest.mark.parametrize("judge", ALL, ids=lambda judge: judge.name)


def uniform_world() -> World:
    """The curved world logged uniformly, so that replay may speak as well."""
    return curved_world()._replace(logging=np.full((7, 3), 1 / 3))


def test_every_estimator_is_registered_under_its_name() -> None:
    assert estimator_names() == sorted(ESTIMATORS)
    assert [judge.name for judge in ALL] == list(ESTIMATORS)
    folder = Path(experiments.off_policy.__file__).parent
    written = {path.stem for path in folder.glob("*.py") if "(Estimator)" in path.read_text(encoding="utf-8")}
    assert written == {target.rpartition(":")[0].rpartition(".")[2] for target in ESTIMATORS.values()}
    with pytest.raises(UnknownName, match="unknown estimator 'ipss'"):
        estimator("ipss")


@each
def test_the_logging_policys_own_value_is_the_mean_reward(judge: Estimator) -> None:
    log, _ = draw(uniform_world(), 400, np.random.default_rng(1), with_policy=True)
    assert log.logging_policy is not None
    found = judge.evaluate(log, log.logging_policy)
    assert found.status == "ok"
    assert found.ci_lower < found.value < found.ci_upper
    # Those with a model tell the same by another way.
    assert found.value == pytest.approx(log.reward.mean(), abs=1e-9 if not judge.needs_scores else 0.03)
    sem = log.reward.std(ddof=1) / math.sqrt(log.n)
    assert found.se == pytest.approx(sem, rel=1e-9 if not judge.needs_scores else 0.2)


@each
@given(seed=st.integers(0, 10**6), unit=st.floats(1e-3, 1e3), origin=st.floats(-5, 5))
def test_unit_of_the_reward_and_order_of_the_rows(judge: Estimator, seed: int, unit: float, origin: float) -> None:
    rng = np.random.default_rng(seed)
    log, target = draw(uniform_world(), 150, rng)
    scores = rng.random((150, 3))
    found = judge.evaluate(log, target, scores=scores)
    assert 0 <= found.matched <= 1
    assert 0 < found.ess <= 150 + 1e-9
    moved = LoggedBandit(log.action, unit * log.reward, log.propensity)
    scaled = judge.evaluate(moved, target, scores=unit * scores)
    assert scaled.value == pytest.approx(unit * found.value, rel=1e-9)
    assert scaled.se == pytest.approx(unit * found.se, rel=1e-6, nan_ok=True)
    order = rng.permutation(150)
    mixed = LoggedBandit(log.action[order], log.reward[order], log.propensity[order])
    assert judge.evaluate(mixed, target[order], scores=scores[order])[1:5] == pytest.approx(
        found[1:5], rel=1e-9, nan_ok=True
    )
    if judge.name != "ips":
        # All but IPS move with the rewards' origin.
        higher = LoggedBandit(log.action, log.reward + origin, log.propensity)
        shifted = judge.evaluate(higher, target, scores=scores + origin)
        assert shifted.value == pytest.approx(found.value + origin, abs=1e-9)


@each
def test_names_of_actions_do_not_matter(judge: Estimator) -> None:
    log, target = draw(uniform_world(), 200, np.random.default_rng(3))
    scores, name = np.random.default_rng(4).random((200, 3)), np.array([2, 0, 1])
    back = np.argsort(name)
    renamed = LoggedBandit(name[log.action], log.reward, log.propensity)
    found, other = (
        judge.evaluate(log, target, scores=scores),
        judge.evaluate(renamed, target[:, back], scores=scores[:, back]),
    )
    assert other[1:5] == pytest.approx(found[1:5])


@each
def test_an_empty_log(judge: Estimator) -> None:
    log = LoggedBandit(np.empty(0, int), np.empty(0), np.empty(0), context=np.empty((0, 2)))
    found = judge.evaluate(log, np.full((1, 2), 0.5))
    assert (found.status, found.n, found.n_units) == ("no_units", 0, 0)
    assert math.isnan(found.value)
    assert json.loads(json.dumps(found.as_document()))["value"] is None


@each
def test_a_single_unit(judge: Estimator) -> None:
    log = LoggedBandit(np.array([0, 1] * 20), np.ones(40), np.full(40, 0.5), unit=np.zeros(40, int))
    assert judge.evaluate(log, np.full((1, 2), 0.5)).status == "too_few_units"


@each
def test_no_overlap(judge: Estimator) -> None:
    log = LoggedBandit(np.zeros(100, int), np.arange(100.0), np.full(100, 0.5))
    found = judge.evaluate(log, np.ones(100, int))
    assert found.status == "no_overlap"
    assert math.isnan(found.value)
    assert math.isnan(found.ci_lower)


def test_a_model_from_elsewhere_needs_no_overlap() -> None:
    log = LoggedBandit(np.zeros(100, int), np.arange(100.0), np.full(100, 0.5))
    found = estimator("dm")().evaluate(log, np.ones(100, int), scores=np.arange(200.0).reshape(100, 2))
    assert (found.status, found.value) == ("ok", 100.0)


@each
def test_a_small_effective_sample_has_a_value_and_no_interval(judge: Estimator) -> None:
    rng = np.random.default_rng(5)
    log = LoggedBandit(rng.integers(0, 50, 500), rng.random(500), np.full(500, 0.02))
    found = judge.evaluate(log, np.zeros(500, int))
    assert found.ess < 30
    assert math.isfinite(found.value)
    if judge.needs_overlap:
        assert found.status == "low_ess"
        assert math.isnan(found.se)
        assert judge.evaluate(log, np.zeros(500, int), min_ess=2).status == "ok"


@each
def test_nothing_varies(judge: Estimator) -> None:
    log = LoggedBandit(np.array([0, 1] * 50), np.full(100, 0.3), np.full(100, 0.5))
    found = judge.evaluate(log, np.full((1, 2), 0.5))
    assert found.status == "no_variance"
    assert found.value == pytest.approx(0.3)
    assert math.isnan(found.se)


@each
def test_what_overflows_has_a_status(judge: Estimator) -> None:
    log = LoggedBandit(np.array([0, 1] * 50), np.array([1e308, -1e308] * 50), np.full(100, 0.5))
    found = judge.evaluate(log, np.tile([[0.9, 0.1]], (100, 1)), scores=np.full((100, 2), 1e308))
    assert found.status == "not_finite"
    assert math.isnan(found.value)


@each
def test_what_is_not_allowed_is_refused(judge: Estimator) -> None:
    log, target = draw(uniform_world(), 50, np.random.default_rng(6))
    with pytest.raises(ConfigError, match="alpha == 2"):
        judge.evaluate(log, target, alpha=2)
    with pytest.raises(ConfigError, match="min_ess == -1"):
        judge.evaluate(log, target, min_ess=-1)
    with pytest.raises(DataError, match="policy has 49 rows"):
        judge.evaluate(log, target[:-1])
    if judge.needs_scores:
        with pytest.raises(DataError, match="scores has shape"):
            judge.evaluate(log, target, scores=np.zeros((50, 2)))


@pytest.mark.parametrize("made", [IPS, SNIPS, DoublyRobust, SelfNormalisedDoublyRobust])
def test_a_limit_of_nothing_is_refused(made: type[IPS]) -> None:
    with pytest.raises(ConfigError, match=r"clip == 0\.0, must be above 0"):
        made(clip=0.0)
