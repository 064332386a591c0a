"""Refusing requests that would only wait: a server that queues without end answers everyone too late.

What is refused costs next to nothing and says when to come back, so a load of twice what the server can do is answered
at its limit, not below it. It is 429, not 503: nothing is broken, the callers are too many.

Two rules: no more than a number at once, and none whose time was over before its turn came. A request counts from when
it is here in whole: whoever sends a body slowly takes nobody's place.
"""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_errors import ERROR_ANSWERS, RETRY_AFTER_S, body_of
from serving.punctual import is_too_late

_BODY = b'{"error":"the server has as many requests on their way as it can answer in time; try again"}'
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"retry-after", b"%d" % RETRY_AFTER_S),
]


class LoadShed:
    """Answers 429 to requests beyond a number on their way at once, and to those whose time is over.

    Args:
        app: What answers the others.
        paths: Whose requests count together; all other paths always pass.
        limit: The most of them at once, >= 1.
        refused: Counts refused requests by path.
        within_s: What an answer may take from when a request arrived; what waited for longer is refused.
    """

    def __init__(
        self, app: ASGIApp, paths: Collection[str], limit: int, refused: Counter, *, within_s: float = float("inf")
    ) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._limit = limit
        self._refused = refused
        self._within_s = within_s
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._limit or is_too_late(scope, self._within_s):
            await self._refuse(scope, send)
            return
        if scope["method"] != "GET":
            try:
                receive = _again(await body_of(receive), receive)
            except (ClientDisconnect, HTTPException) as error:
                response = await ERROR_ANSWERS[type(error)](Request(scope, receive), error)
                await response(scope, receive, send)
                return
            if self._under_way >= self._limit:
                await self._refuse(scope, send)
                return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _refuse(self, scope: Scope, send: Send) -> None:
        self._refused.labels(scope["path"]).inc()
        await send({"type": "http.response.start", "status": 429, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _BODY})


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
