"""The table of what each route asks: complete for the application that is served, strict for everything else."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.routing import Mount, WebSocketRoute

from events.api_keys import ROLES
from serving.access.rules import UNLISTED, UNLISTED_READ, WEBSOCKET, rule_for, subject_of
from serving.kserve_model import PinnedModel
from serving.kserve_server import pinned_application
from serving.policy_server import serve
from tests.small_registry import small_interactions
from wrappers.registry import model


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Exactly what ``screentest serve policy`` hands to uvicorn."""
    handed: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: handed.append(server.config.app))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _: None)
    serve(f"sqlite:///{tmp_path / 'events.db'}", host="127.0.0.1", port=0)
    [app] = handed
    return app


def routes_of(app: Any) -> list[Any]:
    """The routes of the innermost application."""
    while not hasattr(app, "routes"):
        app = getattr(app, "_app", None) or app._rest
    return list(app.routes)


def places(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each method and path that is answered, with something in place of a variable part."""
    for route in routes:
        if hasattr(route, "original_router"):
            # FastAPI's for a router that was included.
            yield from places(list(route.original_router.routes), prefix)
            continue
        path = re.sub(r"\{\w+:path\}", "some/where", prefix + route.path)
        path = re.sub(r"\{[^}]+\}", "something", path)
        if isinstance(route, Mount):
            yield from places(list(route.routes), path)
        elif isinstance(route, WebSocketRoute) or not hasattr(route, "methods"):
            yield WEBSOCKET, path
        else:
            yield from ((method, path) for method in route.methods)


def test_every_route_of_the_running_application_is_in_the_table(application: Any) -> None:
    found = sorted(places(routes_of(application)))
    assert {("GET", "/choose"), ("POST", "/update"), ("GET", "/experiments/something")} <= set(found)
    # By identity: the table itself gives to admins what looks the same.
    unlisted = [place for place in found if any(rule_for(*place) is rule for rule in (UNLISTED, UNLISTED_READ))]
    assert unlisted == [], "give them a line in serving/access/rules.py"


#: All that a viewer may ask for, or anybody. None of it changes anything; what is added here must not either.
READING = {
    *((None, path) for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")),
    *(("viewer", path) for path in ("/routes", "/preview", "/model/status", "/model/retrain")),
    *(("viewer", path) for path in ("/model/retrain/something", "/experiments", "/experiments/something")),
    *(("viewer", f"/experiments/something/{part}") for part in ("users", "results")),
    ("viewer", "/ws/experiments/something"),
}


def test_no_route_that_changes_something_is_open_to_a_viewer(application: Any) -> None:
    found = {(rule_for(*place), place) for place in places(routes_of(application))}
    below_operator = {(rule, place) for rule, place in found if rule.rank < ROLES.index("operator")}
    assert {(rule.role, path) for rule, (_, path) in below_operator} == READING
    assert {method for _, (method, _) in below_operator} == {"GET", "HEAD", WEBSOCKET}
    changing = {(rule, place) for rule, place in found if place[0] not in ("GET", "HEAD", WEBSOCKET)}
    assert {place[0] for _, place in changing} == {"POST", "PUT", "DELETE"}
    for rule, place in changing:
        assert rule.rank >= ROLES.index("operator"), place
        # Who did it is written down: in the audit log, or as an event.
        assert rule.audited != rule.traffic, place


@pytest.mark.parametrize(
    ("method", "path", "role", "traffic", "audited"),
    [
        ("GET", "/healthz", None, False, False),
        ("HEAD", "/metrics", None, False, False),
        ("GET", "/choose", "operator", True, False),
        ("POST", "/update", "operator", True, False),
        ("POST", "/recommendations", "operator", True, False),
        ("POST", "/feedback", "operator", True, False),
        ("GET", "/routes", "viewer", False, False),
        ("GET", "/preview", "viewer", False, False),
        ("GET", "/model/status", "viewer", False, False),
        ("GET", "/experiments/a/results", "viewer", False, False),
        (WEBSOCKET, "/ws/experiments/a", "viewer", False, False),
        ("POST", "/routes/refresh", "operator", False, True),
        ("POST", "/model/retrain", "operator", False, True),
        ("POST", "/experiments/a b/stop", "operator", False, True),
        ("POST", "/experiments", "admin", False, True),
        ("PUT", "/experiments/a", "admin", False, True),
        ("DELETE", "/experiments/a", "admin", False, True),
    ],
)
def test_what_is_asked(method: str, path: str, role: str | None, traffic: bool, audited: bool) -> None:
    assert rule_for(method, path) == (role, traffic, audited)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/choose/"),
        ("GET", "/CHOOSE"),
        ("GET", "//choose"),
        ("GET", "/healthz\n"),
        ("GET", "/experiments/a/b/c"),
        ("GET", "/experiments/"),
        ("POST", "/experiments/a/launch"),
        ("POST", "/experiments/a/stop\n"),
        ("DELETE", "/choose"),
        ("OPTIONS", "/update"),
        ("TRACE", "/healthz"),
        (WEBSOCKET, "/choose"),
        (WEBSOCKET, "/ws/experiments/a/b"),
    ],
)
def test_what_is_not_in_the_table_is_for_admins(method: str, path: str) -> None:
    rule = rule_for(method, path)
    assert rule is UNLISTED or rule is UNLISTED_READ
    assert rule.role == "admin"
    assert not rule.traffic


def test_the_subject_is_the_experiment() -> None:
    assert [subject_of(path) for path in ("/experiments/a b/stop", "/experiments/a", "/experiments", "/choose")] == [
        *("a b", "a", "", "")
    ]


def test_a_model_server_changes_nothing_on_request() -> None:
    """It asks for no key: what is no GET asks the model, or is one of KServe's that are refused or do nothing."""
    wrapper = model("popularity")().fit(small_interactions())
    pinned = PinnedModel("recommender", "1", wrapper)
    pinned.load()
    served = pinned_application(pinned)
    routes = [*served._kserve._app.routes, *served._direct._rest.routes]  # type: ignore[attr-defined]
    asking = {path for method, path in places(routes) if method not in ("GET", "HEAD")}
    assert asking == {
        *("/recommend", "/predict", "/invoke", "/v1/models/something:predict", "/v1/models/something:explain"),
        *("/v2/models/something/infer", "/v2/models/something/versions/something/infer"),
        # tests/serving/test_model_server.py and test_official_clients.py: 501, and nothing.
        *("/v2/repository/models/something/load", "/v2/repository/models/something/unload"),
    }
