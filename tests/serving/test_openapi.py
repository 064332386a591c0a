"""The OpenAPI document is that of the running server, whole and valid, and its page asks nobody outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from core.event_kinds import EVENT_KINDS
from core.settings import load_settings
from events.database import open_database
from events.store import EventStore
from serving.lanes import DealtRoute
from serving.management.parts import management_of
from serving.policy_app import Policy
from serving.policy_requests import MAX_K
from serving.preview import Preview
from serving.request_fields import MAX_ID
from serving.routing import Routing
from tests.managed_server import Managed


@pytest.fixture(scope="module")
def document(managed: Managed) -> dict[str, Any]:
    answer = managed.http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


@pytest.fixture
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """The application that the server runs, from its outermost layer to FastAPI."""
    url = f"sqlite:///{tmp_path_factory.mktemp('layers') / 'events.db'}"
    store, engine, settings = EventStore(url), open_database(url), load_settings()
    routing = Routing(engine, DealtRoute)
    policy = Policy(store, routing, k=10, model_timeout_s=1, deadline_s=1, max_under_way=8)
    pages = Preview(routing, k=10, model_timeout_s=1).routes()
    found: list[Any] = [policy.application(management_of(engine, url, routing, policy, settings, pages))]
    while not isinstance(found[-1], FastAPI):
        found.append(next(inner for name, inner in vars(found[-1]).items() if name in ("_app", "_rest")))
    yield found
    store.close()
    engine.dispose()


def test_every_route_of_the_server_is_in_it_and_no_other(document: dict[str, Any], layers: list[Any]) -> None:
    described = {(method.upper(), path) for path, told in document["paths"].items() for method in told}
    served = {
        (method, re.sub(r":\w+}", "}", route.path))
        for route in layers[-1].routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert described == served
    direct = next(layer for layer in layers if hasattr(layer, "_endpoints"))
    assert set(direct._endpoints) <= described
    sockets = [route.path for route in layers[-1].routes if not isinstance(route, Route)]
    assert sockets == ["/ws/experiments/{key}"]
    assert sockets[0] in document["info"]["description"]


def test_it_is_a_document_whose_parts_are_all_there(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"], name
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name
    operations = [told for one in document["paths"].values() for told in one.values()]
    ids = [told["operationId"] for told in operations]
    assert len(set(ids)) == len(ids)
    for told in operations:
        assert told["summary"]
        assert told["tags"]
        assert {"400", "404", "409", "413", "503"} <= told["responses"].keys()
        assert "422" not in told["responses"]


def test_what_is_described_by_hand_is_what_the_server_checks(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert sorted(schemas["Outcome"]["properties"]["kind"]["enum"]) == sorted(EVENT_KINDS)
    assert schemas["Id"]["anyOf"][0]["maxLength"] == MAX_ID
    parameters = {one["name"]: one["schema"] for one in document["paths"]["/choose"]["get"]["parameters"]}
    assert parameters["k"]["maximum"] == MAX_K
    assert parameters["user_id"]["maxLength"] == MAX_ID


def test_the_page_shows_every_operation_and_asks_nobody_outside(managed: Managed, document: dict[str, Any]) -> None:
    answer = managed.http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path in answer.text
    assert "<script" not in answer.text
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", answer.text)
    assert not re.findall(r"url\(", answer.text)
    for name in re.findall(r'href="#([^"]+)"', answer.text):
        assert f'id="{name}"' in answer.text


def test_a_client_made_from_it_reaches_the_server(managed: Managed, document: dict[str, Any]) -> None:
    """Each GET without parameters in its path answers with a status that it names."""
    for path, told in document["paths"].items():
        if "get" in told and "{" not in path:
            answer: httpx.Response = managed.http.get(path)
            assert str(answer.status_code) in told["get"]["responses"], (path, answer.text)
