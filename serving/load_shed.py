"""Refusing requests that would only wait: a server that queues without end answers everyone too late.

What is refused costs next to nothing and says when to come back, so a load of twice what the server can do is answered
at its limit, not below it. It is 429, not 503: nothing is broken, the callers are too many.
"""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http_errors import RETRY_AFTER_S

_BODY = b'{"error":"the server has as many requests on their way as it can answer in time; try again"}'
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"retry-after", b"%d" % RETRY_AFTER_S),
]


class LoadShed:
    """Answers 429 to requests beyond a number on their way at once.

    Args:
        app: What answers the others.
        paths: Whose requests count together; all other paths always pass.
        limit: The most of them at once, >= 1.
        refused: Counts refused requests by path.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str], limit: int, refused: Counter) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._limit = limit
        self._refused = refused
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._limit:
            self._refused.labels(scope["path"]).inc()
            await send({"type": "http.response.start", "status": 429, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _BODY})
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
