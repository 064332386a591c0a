"""Who is shown what, and what is recorded of it: a policy server over real HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from events.aggregate import count_exposures, session_rows, sessions_recorded
from events.database import open_database
from events.rollouts import put_route
from experiments.assignment import bucket, rollout_variant
from serving.processes import poll
from tests.policy_servers import Policy, metric, user_of


def test_a_session_from_choose_to_the_counted_click(policy: Policy) -> None:
    route = policy.route(step_index=2)
    context = {"session_id": "s-1", "channel": "web", "device": "phone", "page": 7}
    user = user_of("challenger", route.experiment)
    shown = policy.choose(user, context=json.dumps(context))
    assert list(shown) == ["arm", "items", "decision_id", "experiment", "step"]
    assert (shown["arm"], shown["experiment"], shown["step"]) == ("challenger", route.experiment, 2)
    assert len(shown["items"]) == 10
    assert list(shown["items"][0]) == ["item_id", "title", "score"]

    answer = policy.update(shown, user, ts=1.5, meta={"position": 1})
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted", "decision_id": shown["decision_id"]})
    assert policy.update(shown, user).json()["status"] == "duplicate"

    exposure = policy.exposure(shown["decision_id"])
    latency_ms, ts = exposure.pop("latency_ms"), exposure.pop("ts")
    assert latency_ms > 0
    assert ts > 1.7e9
    assert exposure.pop("commit_number") >= 1
    assert exposure == {
        "decision_id": shown["decision_id"],
        "experiment": route.experiment,
        "unit_id": user,
        "user_id": user,
        "session_id": "s-1",
        "step": 2,
        "variant": "challenger",
        "propensity": 0.5,
        "items": [item["item_id"] for item in shown["items"]],
        "n_items": 10,
        "context": context,
        "channel": "web",
        "device": "phone",
        "error": False,
    }
    rows = session_rows(open_database(policy.url), route.experiment)
    assert [column.tolist() for column in rows] == [[user], [2], ["challenger"], [1], [1]]
    recorded = sessions_recorded(open_database(policy.url), route.experiment)["s-1"]
    assert (recorded.decision_id, recorded.clicked) == (shown["decision_id"], True)


def test_a_request_sent_again_with_its_key_is_recorded_once(policy: Policy) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    first, second = (policy.choose(user, decision_id=f"twice-{route.experiment}") for _ in range(2))

    assert first == second
    assert policy.update(first, user).json()["status"] == "accepted"
    assert count_exposures(open_database(policy.url), route.experiment) == 1


def test_each_arm_is_answered_by_its_own_model(policy: Policy) -> None:
    route = policy.route(percent=25)
    for variant, name in (("challenger", "ease"), ("control", "popularity"), ("champion", "popularity")):
        user = user_of(variant, route.experiment, 25)
        expected = httpx.post(
            f"{policy.models[name]}/recommend", json={"user_id": user, "k": 3}, trust_env=False
        ).json()["items"]
        for _ in range(2):
            shown = policy.choose(user, k=3)
            assert (shown["arm"], shown["items"]) == (variant, expected), "the same unit always gets the same arm"


@pytest.mark.parametrize(
    ("percent", "arms"), [(0, {"champion"}), (100, {"challenger"}), (50, {"challenger", "control"})]
)
def test_the_route_is_obeyed_at_once(policy: Policy, percent: int, arms: set[str]) -> None:
    policy.route(percent=percent)
    assert {policy.choose(user, k=1)["arm"] for user in range(30)} == arms


def test_routes_shows_what_is_in_force(policy: Policy) -> None:
    route = policy.route(percent=5)
    assert policy.http.get("/routes").json() == {**vars(route), "spec": dict(route.spec)}


def test_a_missed_refresh_heals_by_itself(policy: Policy) -> None:
    policy.route()
    stored = put_route(open_database(policy.url), replace(policy.route(), percent=5))
    assert poll(lambda: policy.http.get("/routes").json()["revision"] == stored.revision, 20)


def test_the_unit_may_be_another_than_the_user(policy: Policy) -> None:
    spec = {
        "name": "by-visitor",
        "unit": "visitor_id",
        "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"},
    }
    policy.route(experiment="by-visitor", spec=spec)
    arms = {policy.choose(user, context='{"visitor_id": "v7"}')["arm"] for user in range(20)}
    assert arms == {rollout_variant(bucket("by-visitor", "v7"), 50)}
    refused = policy.http.get("/choose", params={"user_id": 1})
    assert refused.status_code == 400
    assert "visitor_id" in refused.json()["error"]


def test_a_cold_user_is_answered_too(policy: Policy) -> None:
    policy.route()
    assert len(policy.choose("somebody new")["items"]) == 10


def test_a_key_sent_again_gets_the_list_on_record_whatever_the_route_is_now(policy: Policy) -> None:
    route = policy.route()
    user, key = user_of("challenger", route.experiment), f"same-{route.experiment}"
    shown = policy.choose(user, decision_id=key, k=3)
    put_route(open_database(policy.url), replace(route, percent=0))
    policy.http.post("/routes/refresh")
    assert policy.choose(user)["arm"] == "champion"
    assert policy.choose(user, decision_id=key) == shown
    assert policy.update(shown, user).json()["status"] == "accepted"
    refused = policy.http.get("/choose", params={"user_id": "another", "decision_id": key})
    assert (refused.status_code, "was used for another user" in refused.text) == (400, True)


def test_metrics_count_what_was_done(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    before = metric(policy, 'screentest_outcomes_total{status="accepted"}')
    policy.update(policy.choose(user), user)
    assert metric(policy, f'screentest_decisions_total{{arm="control",experiment="{route.experiment}"}}') == 1
    assert metric(policy, 'screentest_outcomes_total{status="accepted"}') == before + 1
    assert metric(policy, "screentest_route_revision") == route.revision
    assert metric(policy, "screentest_lost_exposures_total") == 0
