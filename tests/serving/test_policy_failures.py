"""Model servers that fail: who is shown what instead, and whose failure it is."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from events.aggregate import count_exposures, health, session_rows
from events.database import open_database
from events.rollouts import put_route
from serving.failed_answers import failed_answers
from serving.processes import poll
from tests.policy_servers import Policy, answer_with, metric, server_that, user_of


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection: None,
        lambda connection: connection.close(),
        answer_with("500 Internal Server Error", '{"error": "boom"}'),
        answer_with("200 OK", "no json"),
        answer_with("200 OK", '{"items": [{}], "model_version": "unregistered"}'),
        answer_with("200 OK", '{"items": [], "cold": false, "model_version": "another"}'),
    ],
    ids=["never answers", "hangs up", "fails", "no JSON", "no list", "another version"],
)
def test_a_failing_challenger_is_replaced_and_counted_against_it(
    policy: Policy, behave: Callable[[socket.socket], None], request: pytest.FixtureRequest
) -> None:
    cause = "late" if "never answers" in request.node.name else "failed"
    counter = f'screentest_model_errors_total{{arm="challenger",cause="{cause}"}}'
    before, logged = metric(policy, counter), failed_answers(policy.process.command.log_file, "challenger")
    with server_that(behave) as broken:
        route = policy.route(challenger_url=broken)
        shown = policy.choose(user_of("challenger", route.experiment))
    assert (shown["arm"], shown["degraded"], len(shown["items"])) == ("challenger", "control", 10)
    exposure = policy.exposure(shown["decision_id"])
    assert (exposure["variant"], exposure["error"], exposure["n_items"]) == ("challenger", True, 10)
    assert "degraded" not in policy.choose(user_of("control", route.experiment))
    assert metric(policy, counter) == before + 1
    found = failed_answers(policy.process.command.log_file, "challenger")
    assert (found.late - logged.late, found.other - logged.other) == ((1, 0) if cause == "late" else (0, 1))


def test_a_champion_that_never_gave_a_list_is_503_and_a_failed_session(own_policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = own_policy.route(champion_url=broken)
        user = user_of("control", route.experiment)
        key = f"failed-{route.experiment}"
        answer = own_policy.http.get("/choose", params={"user_id": user, "decision_id": key})
        ready = own_policy.http.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "cannot be reached" in answer.json()["error"]
    assert (ready.status_code, "not ready" in ready.json()["error"]) == (503, True)
    exposure = own_policy.exposure(key)
    assert (exposure["variant"], exposure["error"], exposure["items"]) == ("control", True, [])
    rows = session_rows(open_database(own_policy.url), route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], ["control"], [1], [0]]


def test_challenger_and_champion_failing_is_a_failed_session_of_the_challenger(own_policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = own_policy.route(champion_url=broken, challenger_url=broken)
        user = user_of("challenger", route.experiment)
        assert own_policy.http.get("/choose", params={"user_id": user}).status_code == 503
    engine = open_database(own_policy.url)
    assert poll(lambda: count_exposures(engine, route.experiment) == 1, 10)
    assert health(engine, route.experiment)[:3] == (1, 1, 0)


@pytest.mark.parametrize("variant", ["control", "challenger"])
def test_a_failed_session_asked_for_again_counts_once_as_answered(own_policy: Policy, variant: str) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = own_policy.route(champion_url=broken, challenger_url=broken)
        user = user_of(variant, route.experiment)
        key = f"again-{route.experiment}"
        for _ in range(2):
            assert own_policy.http.get("/choose", params={"user_id": user, "decision_id": key}).status_code == 503
    healed = replace(route, champion_url=own_policy.models["popularity"], challenger_url=own_policy.models["ease"])
    put_route(open_database(own_policy.url), healed)
    own_policy.http.post("/routes/refresh")
    shown = own_policy.choose(user, decision_id=key)
    engine = open_database(own_policy.url)
    assert health(engine, route.experiment, variant)[:3] == (1, 0, 0), "on disk before it was answered"
    assert (shown["decision_id"], len(shown["items"])) == (key, 10)
    assert own_policy.update(shown, user).json()["status"] == "accepted"
    rows = session_rows(engine, route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], [variant], [1], [1]]


def test_a_click_in_a_degraded_session_is_the_challengers(policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = policy.route(challenger_url=broken)
        user = user_of("challenger", route.experiment)
        shown = policy.choose(user)
    assert policy.update(shown, user).json()["status"] == "accepted"
    engine = open_database(policy.url)
    rows = session_rows(engine, route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], ["challenger"], [1], [1]]
    assert health(engine, route.experiment)[:3] == (1, 1, 0)
