"""W3C trace context: a request's ``traceparent`` comes back in its answer, stands in the log lines it causes, and goes
along on the calls that are made for it.

We record no spans of our own, so the header is passed on as it came. A request without one pays for a look at its
headers' names, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = b"traceparent"
#: Version ff is forbidden, and so are a trace or a parent of zeros only (https://www.w3.org/TR/trace-context/).
_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str] = ContextVar("traceparent", default="")

#: The traceparent of the request that is being answered; empty where it brought none, and outside of requests.
current_traceparent = _current.get


def is_traceparent(value: bytes) -> bool:
    """Whether a header's value is one, by the specification."""
    return _FORM.fullmatch(value) is not None


@contextmanager
def tracing(traceparent: str) -> Iterator[None]:
    """Let what happens in the block belong to a trace."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


class Traced:
    """Passes a request's traceparent on; one that is malformed is ignored, as the specification wants.

    Args:
        app: Answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == NAME and is_traceparent(value):
                    await self._answer(value, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, traceparent: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (NAME, traceparent)]}
            await send(message)

        with tracing(traceparent.decode("ascii")):
            await self._app(scope, receive, send_traced)
