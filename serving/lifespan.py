"""The ASGI lifespan of a server: what happens before its first request and after its last."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Send

from core.errors import ScreentestError

_log = logging.getLogger(__name__)


async def run_lifespan(
    receive: Receive, send: Send, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
) -> ScreentestError | None:
    """Start when the server says so, stop when it says so.

    Args:
        receive: Of the lifespan scope.
        send: Likewise.
        start: Makes ready; what it raises is told to the server, which then ends.
        stop: Lets go of everything.

    Returns:
        What kept it from starting; None where it started.
    """
    await receive()
    try:
        await start()
    except ScreentestError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return error
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stop()
    await send({"type": "lifespan.shutdown.complete"})
    return None
