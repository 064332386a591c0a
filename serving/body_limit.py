"""413 as JSON for bodies that are too long, before an application that would read them whole."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_errors import MAX_BODY_BYTES, refuse

_REASON = f"the body is longer than {MAX_BODY_BYTES} bytes"


class LimitedBody:
    """Refuses by the length that a request claims, and by the one it has.

    Starlette's own limit answers in plain text, which clients of the protocols cannot read.

    Args:
        app: Answers an ``HTTPException`` that it meets while it reads a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and (len(value) > 15 or int(value) > MAX_BODY_BYTES):
                await refuse(413, _REASON)(scope, receive, send)
                return
        length = 0

        async def receive_limited() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > MAX_BODY_BYTES:
                raise HTTPException(413, _REASON)
            return message

        await self._app(scope, receive_limited, send)
