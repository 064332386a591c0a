"""What users did, and requests that cannot be taken."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from events.database import open_database, reading
from events.schema import OUTCOMES
from tests.policy_servers import Policy, user_of


def test_what_could_not_be_recorded_is_refused_and_the_log_goes_on(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    deep = '{"a":' * 400 + "1" + "}" * 400
    context = '{"a":' * 300 + "1" + "}" * 300
    body = f'{{"user_id": "{user}", "arm": "control", "item_id": 1, "reward": 1, "meta": {deep}}}'
    for answer in (
        policy.http.post("/update", content=body),
        policy.http.get("/choose", params={"user_id": user, "context": context}),
        policy.http.post("/update", content=body.replace(deep, "[" * 1000 + "]" * 1000)),
    ):
        assert (answer.status_code, "nested deeper than 8 levels" in answer.json()["error"]) == (400, True)
    assert policy.update(policy.choose(user), user).json()["status"] == "accepted"
    assert policy.http.get("/readyz").status_code == 200


def test_an_update_without_decision_finds_the_latest_exposure(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    earlier, later = policy.choose(user), policy.choose(user)
    found = policy.update(later, user, decision_id=None)
    assert found.json() == {"status": "accepted", "decision_id": later["decision_id"]}
    between = policy.exposure(earlier["decision_id"])["ts"]
    found = policy.update(later, user, decision_id=None, ts=between)
    assert found.json() == {"status": "accepted", "decision_id": earlier["decision_id"]}
    assert policy.update(later, user, decision_id=None, ts=1.0).json()["status"] == "orphan"
    assert policy.update(later, user, decision_id=None, item_id=999_999).json()["status"] == "orphan"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arm": "control"}, "arm 'control'"),
        ({"arm": "treatment"}, "which is 'challenger'; send that arm"),
        ({"user_id": "another"}, "user_id 'another'"),
        ({"item_id": 999_999}, "item_id '999999' is not in the list"),
        ({"reward": None}, "reward == None, must be a finite number"),
        ({"ts": "today"}, "ts == 'today'"),
        ({"meta": []}, "meta == []"),
        ({"kind": "stare"}, "kind == 'stare'"),
        ({"extra": 1}, "unknown field 'extra'"),
    ],
)
def test_an_update_that_cannot_be_is_400_with_the_reason(policy: Policy, changes: dict[str, Any], reason: str) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    answer = policy.update(policy.choose(user), user, **changes)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"reward": NaN}', b"\xff\xfe", b'{"user_id": "\\ud800"}'])
def test_an_update_that_is_no_json_object_is_400(policy: Policy, body: bytes) -> None:
    answer = policy.http.post("/update", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [("", "user_id"), ("user_id=", "user_id"), ("user_id=1&k=0", "k == '0'"), ("user_id=1&context=[1]", "context")],
)
def test_a_choose_that_cannot_be_is_400_with_the_reason(policy: Policy, query: str, reason: str) -> None:
    policy.route()
    answer = policy.http.get(f"/choose?{query}")
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_an_outcome_of_an_unknown_decision_is_kept_as_an_orphan(policy: Policy) -> None:
    body = {"user_id": 1, "arm": "control", "item_id": 5, "reward": 1, "decision_id": "never-heard-of"}
    assert policy.http.post("/update", json=body).json() == {"status": "orphan", "decision_id": "never-heard-of"}
    with reading(open_database(policy.url)) as connection:
        kept = connection.execute(select(OUTCOMES).where(OUTCOMES.c.decision_id == "never-heard-of")).one()
    assert kept.item_id == "5"
