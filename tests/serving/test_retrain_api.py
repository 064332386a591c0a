"""Training again, asked for over HTTP: what a worker finds, and what it is told in the end."""

from __future__ import annotations

from typing import Any

import pytest

from events.database import open_database
from events.retrain_requests import claim_retrain, finish_retrain
from tests.managed_server import Managed


def ask(managed: Managed, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = managed.http.post("/model/retrain", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    document = dict(answer.json())
    assert answer.headers["location"] == f"/model/retrain/{document['id']}"
    return document


def test_a_worker_takes_it_and_tells_how_it_ended(managed: Managed) -> None:
    body = {"models": ["ease", "als"], "configs": {"ease": {"reg": 250.0}}, "seed": 7, "reason": "new ratings"}
    asked = ask(managed, body)
    assert (asked["state"], asked["reason"], asked["requested_by"]) == ("waiting", "new ratings", "http")
    assert asked["arguments"] == {name: body[name] for name in ("models", "configs", "seed")}
    engine = open_database(managed.events_url)
    taken = claim_retrain(engine, "w1", lease_s=60)
    assert taken is not None
    assert taken.id == asked["id"]
    assert managed.http.get(f"/model/retrain/{asked['id']}").json()["state"] == "running"
    result = {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"}
    finish_retrain(engine, taken.id, "w1", "done", message="ease passes", result=result)
    engine.dispose()
    found = managed.http.get(f"/model/retrain/{asked['id']}").json()
    assert (found["state"], found["message"], found["result"]) == ("done", "ease passes", result)
    assert managed.http.get("/model/retrain", params={"limit": 1}).json()["requests"] == [found]
    assert "key" not in found


def test_the_same_key_asks_once(managed: Managed) -> None:
    first = ask(managed, **{"idempotency-key": "monday"})
    assert first["arguments"]["models"] == ["popularity", "item_knn", "ease"]
    assert ask(managed, **{"idempotency-key": "monday"})["id"] == first["id"]
    assert ask(managed)["id"] > first["id"]
    other = managed.http.post("/model/retrain", json={"seed": 1}, headers={"idempotency-key": "monday"})
    assert (other.status_code, "take another key" in other.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"models": ["alss"]}, "unknown model 'alss'; known: als, "),
        ({"models": ["ease", "ease"]}, "must name each model once"),
        ({"models": ["ease"], "configs": {"als": {}}}, "configs name als, which are not among the models"),
        ({"models": ["ease"], "configs": {"ease": {"regg": 1}}}, "regg"),
        ({"models": []}, "models == []: List should have at least 1 item"),
        ({"seed": -1}, "seed == -1: "),
        ({"data": "/etc/passwd"}, "data == '/etc/passwd': Extra inputs are not permitted"),
        ({"reason": "a\0b"}, "holds a NUL character"),
    ],
)
def test_what_cannot_be_trained_is_400(managed: Managed, body: dict[str, Any], said: str) -> None:
    before = managed.http.get("/model/retrain").json()
    answer = managed.http.post("/model/retrain", json=body)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert managed.http.get("/model/retrain").json() == before, "nothing was written"


def test_a_request_that_is_not_there_is_404(managed: Managed) -> None:
    assert "unknown retrain request 4711" in managed.http.get("/model/retrain/4711").json()["error"]
    for nonsense in ("0", "x", str(2**31), "9" * 5000):
        assert managed.http.get(f"/model/retrain/{nonsense}").status_code == 400
