"""An experiment spec: what is allowed, what is said of what is not, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.allocation import Allocation, Holdout, allocate_many
from experiments.bandits.base import Policy
from experiments.bandits.per_segment import PerSegment
from experiments.context import CategoryFeature, NumberFeature, context_size, context_vectors
from experiments.metrics import Metric
from experiments.namespaces import Namespace
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_bandit import spec_bandit
from experiments.spec_traffic import BanditTraffic

THREE = {letter: f"models:/recommender/{version}" for version, letter in enumerate("abc", start=1)}
TWO = {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"}


def spec(**parts: Any) -> ExperimentSpec:
    return parse_spec({"name": "home", "variants": THREE, "control": "a", "traffic": {"policy": "fixed"}, **parts})


def bandit_spec(**traffic: Any) -> ExperimentSpec:
    return spec(traffic={"policy": "bandit", **traffic})


def test_a_rollout_is_what_is_said_where_nothing_is_said() -> None:
    plain = parse_spec({"name": "home", "variants": TWO})
    assert plain.traffic.policy == "rollout"
    assert plain.control_variant == "champion"
    assert plain.metrics.primary.is_share_of_sessions
    assert (plain.hash_salt, plain.total_sessions) == ("home", 36_000)


@pytest.mark.parametrize(
    "document",
    [
        {"variants": TWO, "control": ""},
        {"metrics": {"secondary": [{"name": "revenue", "event": "purchase", "value": "sum", "kind": "mean"}]}},
        {"traffic": {"policy": "bandit", "algorithm": "linucb", "context": [{"kind": "number", "key": "hour"}]}},
        {"traffic": {"policy": "fixed", "holdouts": [{"salt": "layer", "share": 0.1}], "forced": {"tester": "b"}}},
    ],
)
def test_a_spec_survives_being_written_down(document: dict[str, Any]) -> None:
    one = spec(**document)
    assert parse_spec(one.document()) == one
    assert "null" not in json.dumps(one.document()), "a pipeline's parameter holds none"


def test_the_allocation_is_the_specs() -> None:
    traffic = {
        "policy": "fixed",
        "weights": {"a": 2, "b": 1, "c": 1},
        "coverage": 0.5,
        "namespace": {"id": "page", "start": 0.2, "end": 0.8},
        "holdouts": [{"salt": "layer", "share": 0.05}],
        "forced": {"tester": "c"},
        "bucket_version": 3,
        "min_bucket_version": 2,
    }
    wanted = Allocation(
        "home",
        ("a", "b", "c"),
        (0.5, 0.25, 0.25),
        0.5,
        "s",
        Namespace("page", 0.2, 0.8),
        (Holdout("layer", 0.05),),
        {"tester": "c"},
        3,
        2,
    )
    assert spec(traffic=traffic, salt="s").allocation == wanted
    dealt = allocate_many(spec().allocation, [str(unit) for unit in range(30_000)])
    np.testing.assert_allclose(np.bincount(dealt.variant_index) / 30_000, 1 / 3, atol=0.01)


def test_the_plan_is_the_specs() -> None:
    plan = spec(
        control="b",
        analysis={"method": "group", "looks": 4, "alpha": 0.1, "correction": "bh", "prior_sd": 0.05},
        metrics={"guardrails": {"srm_alpha": 0.01}},
        traffic={"policy": "fixed", "weights": {"a": 1, "b": 3}},
    ).plan(look=2)
    assert (plan.control, plan.method, plan.look, plan.looks, plan.alpha) == ("b", "group", 2, 4, 0.1)
    assert (plan.correction, plan.srm_alpha, plan.prior.sd) == ("bh", 0.01, 0.05)
    assert plan.weights == {"b": 0.75, "a": 0.25, "c": 0.0}
    assert bandit_spec(share=0.5).plan().weights == dict.fromkeys("abc", 1 / 3)


def test_metrics_are_events_made_into_numbers() -> None:
    metrics = spec(
        metrics={
            "primary": "session_purchase",
            "secondary": [{"name": "wait", "kind": "quantile", "level": 0.9, "lower_is_better": True}],
            "guardrails": {"metrics": [{"name": "likes", "event": "like", "margin": 0.02}]},
        }
    ).metrics
    assert [metric.name for metric in metrics.every] == ["session_purchase", "wait", "likes"]
    assert metrics.primary.event == "purchase"
    assert metrics.secondary[0].metric("m1") == Metric("wait", "quantile", "m1", level=0.9, lower_is_better=True)
    assert metrics.guardrails.metrics[0].margin == 0.02


def test_a_bandit_is_the_specs() -> None:
    plain = bandit_spec(algorithm="ucb1", options={"alpha": 0.5, "discount": 0.99}, min_exposure=0.1).traffic
    assert isinstance(plain, BanditTraffic)
    policy = spec_bandit(plain, tuple(THREE))
    assert isinstance(policy, Policy)
    assert (policy.arms, policy.floor, policy.discount) == (("a", "b", "c"), 0.1, 0.99)
    features = [{"kind": "number", "key": "hour", "mean": 12, "scale": 6}]
    contextual = bandit_spec(algorithm="lints", context=features, segment="country").traffic
    assert isinstance(contextual, BanditTraffic)
    segmented = spec_bandit(contextual, tuple(THREE))
    assert isinstance(segmented, PerSegment)
    context = context_vectors(contextual.context, [{"hour": 18}])[0]
    assert segmented.propensities("kr", context).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"traffic": {"policy": "rollout"}}, "variants are a, b, c; a rollout has champion"),
        ({"traffic": {"weights": {}}}, "traffic: has no policy; set policy to rollout, fixed or bandit"),
        ({"traffic": {"policy": "fixed", "weights": {"z": 1}}}, "weights name 'z', must be of the variants a, b, c"),
        ({"traffic": {"policy": "fixed", "weights": {"a": 0}}}, "must have a number above 0"),
        ({"traffic": {"policy": "fixed", "forced": {"u": "z"}}}, "forced['u'] == 'z', must be one of the variants"),
        ({"traffic": {"policy": "fixed", "coverage": 1.2}}, "traffic.fixed.coverage: Input should be less than or"),
        ({"traffic": {"policy": "bandit", "algorithm": "tomson"}}, "tomson"),
        ({"traffic": {"policy": "bandit", "options": {"epsilon": 1}}}, "traffic.options names 'epsilon'"),
        ({"traffic": {"policy": "bandit", "min_exposure": 0.4}}, "for 3 variants adds up to more than 1"),
        ({"traffic": {"policy": "bandit", "algorithm": "linucb"}}, "name its features under traffic.context"),
        ({"traffic": {"policy": "bandit", "context": [{"kind": "number", "key": "h"}]}}, "takes no context"),
        ({"control": ""}, "has no control; set control to one of the variants: a, b, c"),
        ({"control": "z"}, "control == 'z', must be one of the variants: a, b, c"),
        ({"variants": {"a": "models:/recommender/1"}}, "variants: Dictionary should have at least 2 items"),
        ({"variants": {**THREE, "d": "models:/recommender@champion"}}, "variants.d: String should match pattern"),
        ({"variants": {**THREE, "d/e": "models:/recommender/4"}}, "'d/e' is no name of a variant"),
        ({"variants": {**THREE, "d\0": "models:/recommender/4"}}, "is no name of a variant"),
        ({"variants": {**THREE, "d" * 64: "models:/recommender/4"}}, "has 64 characters, at most 63"),
        ({"metrics": {"primary": "click"}}, "write session_EVENT, e.g. session_click"),
        ({"metrics": {"primary": "session_clik"}}, "metrics.primary.event: Input should be 'add_to_cart', 'click'"),
        ({"metrics": {"primary": ["session_click"]}}, "is a list; one metric decides"),
        ({"metrics": {"secondary": ["session_click"]}}, "two metrics are named 'session_click'"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_what_is_not_allowed_is_told_by_its_field(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        spec(**parts)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"analysis": {"method": "fixed"}}, "must be sequential in a rollout"),
        ({"metrics": {"primary": "session_like"}}, "a rollout decides by session_click"),
        ({"metrics": {"secondary": [{"name": "revenue", "value": "sum"}]}}, "a rollout measures shares of sessions"),
        ({"control": "challenger"}, "champion (the control)"),
        ({"stopping": {"look_every": 999}}, "is no multiple of stopping.look_every == 999"),
    ],
)
def test_a_rollout_is_stricter(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_spec({"name": "home", "variants": TWO, **parts})
    assert told in str(error.value)


def test_what_has_no_split_has_no_allocation_or_plan() -> None:
    with pytest.raises(ConfigError, match="the canary deals the units"):
        _ = parse_spec({"name": "home", "variants": TWO}).allocation
    with pytest.raises(ConfigError, match="screentest ope"):
        bandit_spec().plan()


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just("tv"))


@given(st.lists(st.dictionaries(st.sampled_from(["hour", "device"]), VALUES), max_size=5))
def test_a_context_is_finite_whatever_is_sent(contexts: list[dict[str, Any]]) -> None:
    features = [
        NumberFeature(key="hour", mean=12, scale=6),
        CategoryFeature(key="device", values=("phone", "tablet", "tv")),
    ]
    found = context_vectors(features, contexts)
    assert found.shape == (len(contexts), context_size(features))
    assert (np.abs(found) <= 10).all()
    assert (found[:, 0] == 1).all()
    for row, context in zip(found, contexts, strict=True):
        assert row[3] == (context.get("device") == "tv")
