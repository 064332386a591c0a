"""Bandits by segment."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.bandits.linucb import LinUCB
from experiments.bandits.per_segment import PerSegment
from experiments.bandits.statistics import Prior
from experiments.bandits.thompson_beta import ThompsonBeta
from experiments.bandits.ucb1 import UCB1


def taught(strength: float = 10.0) -> PerSegment:
    policies = PerSegment(ThompsonBeta(["a", "b"]), strength=strength)
    policies.update_many("kr", ["a", "b"], [80, 20], counts=[100, 100])
    return policies


def test_a_new_segment_starts_from_the_pooled_means() -> None:
    """Pooled a: (80 + 1) / 102, worth 10 rewards."""
    policies = taught()
    expected = ThompsonBeta(["a", "b"], warm_start={"a": Prior(81 / 102, 10), "b": Prior(21 / 102, 10)})
    assert policies.propensities("fr") == pytest.approx(expected.propensities())
    assert policies.segments == ("kr",), "asking makes nothing known"
    assert policies.choose("fr", None, np.random.default_rng(0)).arm in ("a", "b")
    assert policies.segments == ("kr",), "nor does a decision that nobody will reward"
    policies.update("fr", "a", 1.0)
    assert policies.segments == ("kr", "fr")


def test_strength_0_starts_anew() -> None:
    assert taught(0.0).propensities("fr") == pytest.approx([0.5, 0.5], abs=1e-6)


def test_segments_learn_apart() -> None:
    policies = taught()
    before = policies.propensities("kr")
    for _ in range(40):
        policies.update("fr", "a", 0)
        policies.update("fr", "b", 1)
    assert policies.propensities("kr") == pytest.approx(before)
    assert policies.propensities("fr").argmax() == 1
    assert policies.pooled.lent_priors(1e9)["a"] == pytest.approx((81 / 142, 142))


def test_state_survives_json() -> None:
    policies = taught()
    rng = np.random.default_rng(1)
    policies.choose("fr", None, rng, at=1.0, decision_id="early")
    policies.choose("kr", None, rng, at=3.0, decision_id="late")
    state = policies.state()
    copy = PerSegment.from_state(json.loads(json.dumps(state, allow_nan=False)))
    for one in (policies, copy):
        one.update_decision("late", 1)
        assert one.expire(2.0) == 1
        with pytest.raises(DataError, match="not open"):
            one.update_decision("early", 1)
    assert json.dumps(copy.state()) == json.dumps(policies.state())
    assert copy.pooled.lent_priors(1e9)["a"].strength + copy.pooled.lent_priors(1e9)["b"].strength == 205
    for wrong in ({}, {**state, "version": 0}, {"version": 1, "policy": "per_segment"}):
        with pytest.raises(DataError):
            PerSegment.from_state(wrong)


def test_arms_come_and_go_everywhere() -> None:
    policies = taught()
    policies.add_arm("c")
    policies.remove_arm("a")
    assert policies.arms == ("b", "c")
    for segment in ("kr", "fr"):
        places, _ = policies.choose_many(segment, 20, np.random.default_rng(0))
        assert set(places.tolist()) <= {0, 1}
        policies.update(segment, "a", 1)
    policies.choose("kr", None, np.random.default_rng(0), decision_id="same")
    with pytest.raises(DataError, match="open already"):
        policies.choose("fr", None, np.random.default_rng(0), decision_id="same")


def test_contextual_segments_share_coefficients() -> None:
    policies = PerSegment(LinUCB(["a", "b"], n_features=2, alpha=0.0), strength=4.0)
    policies.update_many("kr", ["a"] * 50, [2.0] * 50, [[1.0, 0.0]] * 50)
    assert policies.propensities("fr", [1.0, 0.0]).tolist() == [1.0, 0.0]


def test_arms_nobody_knows_stay_untried() -> None:
    assert PerSegment(UCB1(["a", "b"])).propensities("fr").tolist() == [0.5, 0.5]
    with pytest.raises(ConfigError, match="strength"):
        PerSegment(UCB1(["a"]), strength=-1)
