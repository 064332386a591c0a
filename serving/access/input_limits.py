"""Limits of what a request may bring, whatever route it is for: of the query string and of the body.

The head's limit is the protocol's (request_head.py).
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_errors import MAX_BODY_BYTES, refuse

MAX_QUERY_BYTES = 16 * 1024
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


class InputLimits:
    """Refuses a query string that is too long (414), and a body (413): at once where its length is told.

    Args:
        app: What answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            reason = f"the query string is longer than {MAX_QUERY_BYTES} bytes; send less"
            await refuse(414, reason)(scope, receive, send)
            return
        # Nothing reads the body of a GET.
        if kind == "http" and scope["method"] not in _WITHOUT_BODY:
            told = next((value for name, value in scope["headers"] if name == b"content-length"), None)
            if told is None:
                receive = _counted(receive)
            # The protocol has seen to it that it is a number.
            elif len(told) > 15 or int(told) > MAX_BODY_BYTES:
                await refuse(413, _TOO_LONG)(scope, receive, send)
                return
        await self._app(scope, receive, send)


_TOO_LONG = f"the body is longer than {MAX_BODY_BYTES} bytes"


def _counted(receive: Receive) -> Receive:
    """A body of unknown length, refused once it is too long; the application turns the error into its answer."""
    length = 0

    async def counting() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LONG)
        return message

    return counting
