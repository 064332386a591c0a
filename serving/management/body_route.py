"""How the management API takes bodies, and how it refuses them: as every other path of the server does.

A body is JSON whatever content type it claims, of limited size and depth, and without NaN. What FastAPI finds wrong is
400 with the field's name; what the state of an experiment forbids is 409.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from core.errors import BadInput, RolloutError
from serving.http_errors import json_object, refuse

#: Levels of a body; an experiment spec has five.
MAX_DEPTH = 16
_SHOWN = 80
_PLACES = ("body", "path", "query", "header")


class BodyRoute(APIRoute):
    """A FastAPI route whose body was read by the house's rules."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()

        async def handle_parsed(request: Request) -> Response:
            try:
                return await handle(await self._parsed(request) if self.body_field is not None else request)
            except RolloutError as error:
                raise HTTPException(409, str(error)) from error

        return handle_parsed

    async def _parsed(self, request: Request) -> Request:
        if request.headers.get("content-length") == "0" or not (
            {"content-length", "transfer-encoding"} & set(request.headers)
        ):
            # Nothing was sent: whether that will do, FastAPI knows.
            return request
        document = await json_object(request.receive)
        if _is_deeper(document, MAX_DEPTH):
            raise BadInput(f"the body is nested deeper than {MAX_DEPTH} levels; send a flatter one")
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
        parsed = Request({**request.scope, "headers": [*headers, (b"content-type", b"application/json")]})
        # Where Starlette keeps what it has read.
        parsed._body, parsed._json = b"{}", document
        return parsed


def api_router(group: str) -> APIRouter:
    """A router of such routes under ``/group``; in the OpenAPI document an operation is called ``group_function``."""
    return APIRouter(
        prefix=f"/{group}",
        tags=[group],
        route_class=BodyRoute,
        generate_unique_id_function=lambda route: f"{group}_{route.name}",
    )


async def refuse_invalid(_request: Request, error: Exception) -> Response:
    """400 with each field at fault, what was given and what is allowed."""
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"handler for RequestValidationError got {type(error).__name__}") from error
    return refuse(400, "; ".join(_problem(item) for item in error.errors()))


def _problem(item: dict[str, Any]) -> str:
    place = [str(part) for part in item["loc"]]
    name = ".".join(place[1:] if place[0] in _PLACES else place) or "the body"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{name}: {message}"
    given = repr(item["input"])
    return f"{name} == {given if len(given) <= _SHOWN else given[: _SHOWN - 3] + '...'}: {message}"


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)
