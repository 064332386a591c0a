"""JSON answers, and the one place where errors become HTTP statuses.

BadInput is 400 with its reason, which says how to mend it. Failure is 503 with its reason and Retry-After: something
behind the server is down. An unknown path or method is 404 or 405. Anything else is 500, and what it was stays in the
server's log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from core.errors import BadInput, Failure

RETRY_AFTER_S = 1
MAX_BODY_BYTES = 1 << 20

Answer = Callable[[Request, Exception], Awaitable[Response]]

_log = logging.getLogger(__name__)


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Serialise; NaN becomes null."""
        return orjson.dumps(content)


def refuse(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Json:
    """``{"error": reason}``."""
    return Json({"error": reason}, status_code=status, headers=headers)


async def json_object(receive: Receive) -> dict[str, Any]:
    """A request's body as a JSON object, whatever content type it claims.

    Raises:
        BadInput: It is none.
        HTTPException: It is longer than ``MAX_BODY_BYTES`` (413).
        ClientDisconnect: The caller went away before its end.
    """
    return parse_object(await body_of(receive))


async def json_value(receive: Receive) -> Any:
    """The same for JSON of any kind."""
    return parse_json(await body_of(receive))


async def body_of(receive: Receive) -> bytes:
    """A request's whole body.

    Raises:
        HTTPException: It is longer than ``MAX_BODY_BYTES`` (413).
        ClientDisconnect: The caller went away before its end.
    """
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def parse_json(body: bytes | str, what: str = "the body") -> Any:
    """A JSON value from its text.

    Raises:
        BadInput: It is no JSON; NaN and infinity are none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{what} is no JSON ({error}); send an object") from error


def parse_object(body: bytes | str, what: str = "the body") -> dict[str, Any]:
    """A JSON object from its text.

    Raises:
        BadInput: It is no JSON, or another kind of value.
    """
    document = parse_json(body, what)
    if not isinstance(document, dict):
        raise BadInput(f'{what} is JSON but no object; send e.g. {{"user_id": 17}}')
    return document


async def _bad_input(_request: Request, error: Exception) -> Response:
    return refuse(400, str(error))


async def _failure(_request: Request, error: Exception) -> Response:
    return refuse(503, str(error), {"retry-after": str(RETRY_AFTER_S)})


async def _gone(_request: Request, _error: Exception) -> Response:
    # Nobody reads it; no bug to be logged either.
    return refuse(400, "the caller went away before the end of the body")


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"handler for HTTPException got {type(error).__name__}") from error
    reason = f"{request.method} {request.url.path}: {error.detail}"
    return refuse(error.status_code, reason, error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refuse(500, "internal error; the reason is in the server's log")


ERROR_ANSWERS: dict[Any, Answer] = {
    BadInput: _bad_input,
    Failure: _failure,
    HTTPException: _http_exception,
    ClientDisconnect: _gone,
    Exception: _unforeseen,
}
