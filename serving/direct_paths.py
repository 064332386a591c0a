"""The paths that most requests go to, answered without Starlette's routing, middleware and request objects.

On a server with a list every few milliseconds those cost a tenth of its CPU (benchmarks/choose_with_features.py).
Errors become the same answers as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import BadInput, Failure
from serving.http_errors import ERROR_ANSWERS


class DirectPaths:
    """Some requests straight to their endpoints, all others to an application.

    Args:
        endpoints: By method and path; an endpoint that raises must not have begun to answer.
        rest: What answers all others, those with another method on the same paths among them.
    """

    def __init__(self, endpoints: Mapping[tuple[str, str], ASGIApp], rest: ASGIApp) -> None:
        self._endpoints = {place: _answering_errors(endpoint) for place, endpoint in endpoints.items()}
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._rest
        if scope["type"] == "http":
            app = self._endpoints.get((scope["method"], scope["path"]), app)
        await app(scope, receive, send)


async def send_json(send: Send, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer with 200 and JSON that is text already; ``more`` are further headers."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _answering_errors(endpoint: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await endpoint(scope, receive, send)
        except (BadInput, Failure, HTTPException, ClientDisconnect) as error:
            kind = next(kind for kind in ERROR_ANSWERS if isinstance(error, kind))
            response = await ERROR_ANSWERS[kind](Request(scope, receive), error)
            await response(scope, receive, send)

    return ServerErrorMiddleware(answer, handler=ERROR_ANSWERS[Exception])
