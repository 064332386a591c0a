"""Experiments over HTTP: an A/B/n test from draft to results on live traffic, and every refusal in one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from events.database import open_database
from events.experiments import load_experiment
from serving.processes import poll
from tests.managed_server import Managed
from tests.rollout_examples import SPEC
from tests.versioned_servers import spec_document


@pytest.fixture
def draft(managed: Managed) -> Iterator[str]:
    """A draft; whatever became of it, it does not have the traffic afterwards."""
    name = "drafted"
    managed.create(name)
    yield name
    managed.http.post(f"/experiments/{name}/stop")
    managed.http.delete(f"/experiments/{name}")


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert list(document) == ["error"]
    return str(document["error"])


def test_from_draft_to_results(managed: Managed) -> None:
    answer = managed.http.post("/experiments", json=spec_document("whole"))
    assert (answer.status_code, answer.headers["location"]) == (201, "/experiments/whole")
    made = answer.json()
    assert (made["state"], made["kind"], made["sessions"], made["started_at"]) == ("draft", "fixed", 0, None)
    changed = managed.http.put("/experiments/whole", json=spec_document("whole", analysis={"n_star": 500}))
    assert (changed.status_code, changed.json()["spec"]["analysis"]["n_star"]) == (200, 500)
    early = managed.http.get("/experiments/whole/results").json()
    assert (early["analysis"], "no session of 'whole'" in early["no_analysis"]) == (None, True)

    running = managed.act("whole", "start", servers=managed.servers)
    assert running["state"] == "running"
    assert running["variants"]["bold"] == {"uri": "models:/recommender/3", "url": managed.servers["bold"]}
    # The route is obeyed before the answer.
    assert managed.http.get("/routes").json()["experiment"] == "whole"
    shown = [managed.http.get("/choose", params={"user_id": user, "k": 2}).json() for user in range(60)]
    assert {one["arm"] for one in shown} == {"plain", "fresh", "bold"}
    for user, one in enumerate(shown[::2]):
        body = {"user_id": 2 * user, "arm": one["arm"], "item_id": 1, "reward": 1, "decision_id": one["decision_id"]}
        assert managed.http.post("/update", json=body).status_code == 200

    def results() -> dict[str, Any]:
        return dict(managed.http.get("/experiments/whole/results").json())

    assert poll(lambda: managed.http.get("/experiments/whole").json()["sessions"] == 60, 10)
    found = results()
    assert found["lanes"]["lanes"]["fixed"]["sessions"] == 60
    assert found["lanes"]["lanes"]["fixed"]["reward_per_session"] == 0.5
    assert sum(found["analysis"]["units"].values()) == 60
    assert {one["variant"] for one in found["analysis"]["comparisons"]} == {"fresh", "bold"}
    assert found["analysis"]["verdict"]["decision"] == "continue"

    assert managed.act("whole", "pause")["state"] == "paused"
    arms = {managed.http.get("/choose", params={"user_id": user}).json()["arm"] for user in range(40)}
    assert arms == {"plain"}
    assert managed.act("whole", "start")["state"] == "running"
    assert managed.act("whole", "stop")["state"] == "stopped"
    assert poll(lambda: managed.http.get("/experiments/whole").json()["sessions"] == 100, 10)
    assert results()["analysis"]["units"] == found["analysis"]["units"], "who came during the pause is not analysed"
    assert "has sessions in the event log" in refused(managed.http.delete("/experiments/whole"), 409)


def test_the_list_has_every_kind(managed: Managed, draft: str) -> None:
    found = managed.http.get("/experiments").json()["experiments"]
    kinds = {one["experiment"]: one["kind"] for one in found}
    assert kinds[SPEC.name] == "rollout"
    assert kinds[draft] == "fixed"
    assert found[0]["experiment"] == draft, "the one made last first"
    rollouts = managed.http.get("/experiments", params={"kind": "rollout"}).json()["experiments"]
    assert [one["experiment"] for one in rollouts] == [SPEC.name]
    assert managed.http.get("/experiments", params={"kind": "bandit"}).json() == {"experiments": []}
    assert managed.http.get(f"/experiments/{draft}/users").json() == {"users": []}


def test_a_rollout_is_its_controllers(managed: Managed) -> None:
    results = managed.http.get(f"/experiments/{SPEC.name}/results").json()
    assert (results["kind"], results["decision"]) == ("rollout", "rollback")
    assert results == managed.http.get(f"/experiments/{SPEC.name}").json()
    for answer in (
        managed.http.post(f"/experiments/{SPEC.name}/stop"),
        managed.http.delete(f"/experiments/{SPEC.name}"),
        managed.http.put(f"/experiments/{SPEC.name}", json=spec_document(SPEC.name)),
    ):
        assert "is a rollout, which its controller alone changes" in refused(answer, 409)
    said = refused(managed.http.post("/experiments", json=spec_document(SPEC.name)), 409)
    assert f"rollout '{SPEC.name}' exists already" in said
    rollout = {"name": "canary", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
    assert "traffic.policy of 'canary' is rollout" in refused(managed.http.post("/experiments", json=rollout), 400)


@pytest.mark.parametrize("path", ["nope", "NOPE", "n%00pe", "x" * 300, "%F0%9F%98%80"])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        *(("GET", rest) for rest in ("", "/users", "/results")),
        *(("POST", rest) for rest in ("/start", "/pause", "/stop")),
        ("DELETE", ""),
    ],
)
def test_what_is_not_there_is_404(managed: Managed, method: str, rest: str, path: str) -> None:
    said = refused(managed.http.request(method, f"/experiments/{path}{rest}"), 404)
    assert "unknown experiment" in said
    assert SPEC.name in said


def test_states_that_forbid_it_are_409(managed: Managed, draft: str) -> None:
    http = managed.http
    assert "is draft, must be running to be paused" in refused(http.post(f"/experiments/{draft}/pause"), 409)
    assert "exists already" in refused(http.post("/experiments", json=spec_document(draft)), 409)
    managed.act(draft, "start", servers=managed.servers)
    assert "is running, must be draft" in refused(http.put(f"/experiments/{draft}", json=spec_document(draft)), 409)
    assert "is running, must be draft or stopped" in refused(http.delete(f"/experiments/{draft}"), 409)
    managed.create("second")
    said = refused(http.post("/experiments/second/start", json={"servers": managed.servers}), 409)
    assert f"experiment '{draft}' is running and has the traffic" in said
    assert http.delete("/experiments/second").status_code == 204
    assert refused(http.get("/experiments/second"), 404)


def test_servers_that_will_not_do(managed: Managed, draft: str) -> None:
    def start(**servers: str) -> httpx.Response:
        return managed.http.post(f"/experiments/{draft}/start", json={"servers": {**managed.servers, **servers}})

    assert "serves version 3" in refused(start(fresh=managed.servers["bold"]), 400)
    assert "unknown variant 'loud'" in refused(start(loud="http://127.0.0.1:1"), 400)
    assert "cannot be reached" in refused(start(bold="http://127.0.0.1:1"), 409)
    assert "has no server" in refused(managed.http.post(f"/experiments/{draft}/start"), 400)
    engine = open_database(managed.events_url)
    record = load_experiment(engine, draft)
    engine.dispose()
    assert record is not None
    assert record.state == "draft"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body: Field required"),
        (b"{", "the body is no JSON"),
        (b"[]", "the body is JSON but no object"),
        (b"{}", "name: Field required; variants: Field required"),
        (b'{"name": NaN}', "the body is no JSON"),
        (b'{"name": "\xff"}', "the body is no JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "the body is nested deeper than 16 levels"),
        (json.dumps(spec_document("UPPER")).encode(), "name == 'UPPER': String should match pattern"),
        (json.dumps(spec_document("a", control="none")).encode(), "control == 'none', must be one of the variants"),
        (json.dumps(spec_document("a", colour="red")).encode(), "colour == 'red': Extra inputs are not permitted"),
        (json.dumps(spec_document("a", traffic={})).encode(), "traffic"),
    ],
)
def test_bodies_that_are_none_are_400(managed: Managed, body: bytes, said: str) -> None:
    assert said in refused(managed.http.post("/experiments", content=body), 400)


def test_bodies_of_any_content_type_and_none_that_is_too_long(managed: Managed) -> None:
    kinds = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
        "multipart/form-data",
    )
    for place, kind in enumerate(kinds):
        text = json.dumps(spec_document(f"kind-{place}"))
        answer = managed.http.post("/experiments", content=text, headers={"content-type": kind})
        assert answer.status_code == 201, answer.text
        assert managed.http.delete(f"/experiments/kind-{place}").status_code == 204
    assert "longer than" in refused(managed.http.post("/experiments", content=b" " * (1 << 21)), 413)


def test_unknown_paths_and_methods_are_answered_as_ever(managed: Managed) -> None:
    assert refused(managed.http.get("/experiments/a/b/c"), 404)
    assert refused(managed.http.patch("/experiments/drafted"), 405)
    assert "kind == 'all'" in refused(managed.http.get("/experiments", params={"kind": "all"}), 400)
    assert "look == '0'" in refused(managed.http.get("/experiments/x/results", params={"look": 0}), 400)
