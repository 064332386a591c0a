"""The OpenAPI document of the whole policy server, and a page that shows it without asking anyone outside.

What FastAPI answers it describes itself; the lean routes, which do not run through it, stand in ``lean_routes.yaml``.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

import yaml
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from serving.http_errors import Json
from serving.management.answers import Refusal
from serving.management.docs_page import docs_html
from serving.recommendation_schema import openapi_parts

TITLE = "Screentest policy server"
OPENAPI_PATH, DOCS_PATH = "/openapi.json", "/docs"
_DESCRIPTION = """Who gets which variant, the event log, experiments and the served model.

Every refusal is {"error": reason}: 400 says which field and what is allowed, 404 what there is, 409 what stands in the
way, 503 (with Retry-After) what is down. A WebSocket at /ws/experiments/{key} tells an experiment's state and then each
change of it (docs/API.md)."""
_REFUSALS = {
    "400": "A parameter, or a field of the body, is not what it should be.",
    "404": "There is no such thing.",
    "409": "Its state, or that of something else, forbids it.",
    "413": "The body is too long.",
    "503": "Something behind the server is down; come back after Retry-After.",
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document; made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=TITLE, version=_version(), description=_DESCRIPTION, routes=app.routes)
        lean = yaml.safe_load((files(__package__) / "lean_routes.yaml").read_text(encoding="utf-8"))
        paths, described = openapi_parts()
        document["paths"] = {**lean["paths"], **paths, **document["paths"]}
        components = document.setdefault("components", {})
        components["responses"] = lean["components"]["responses"]
        schemas = components.setdefault("schemas", {})
        schemas |= {**lean["components"]["schemas"], **described, "Refusal": Refusal.model_json_schema()}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                _with_refusals(operation)
        app.openapi_schema = document
    return app.openapi_schema


def document_page(app: FastAPI) -> list[BaseRoute]:
    """The routes that answer with it."""

    async def openapi(_request: Request) -> Response:
        return Json(app.openapi())

    async def docs(_request: Request) -> Response:
        return HTMLResponse(docs_html(app.openapi()))

    return [Route(OPENAPI_PATH, openapi, methods=["GET"]), Route(DOCS_PATH, docs, methods=["GET"])]


def _with_refusals(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    # FastAPI's own; ours is 400.
    responses.pop("422", None)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for status, description in _REFUSALS.items():
        responses.setdefault(status, {"description": description, "content": content})


def _version() -> str:
    try:
        return version("screentest")
    except PackageNotFoundError:
        return "unknown"
