"""``/ws/experiments/{key}``: an experiment's state, then each change of it, to any number of watchers.

    {"type": "state", "experiment", "kind", "state", "sessions", "updated_at", "looks", "decision", …}
    {"type": "ping", "ts"}

All watchers of an experiment share one reading of the database, once a second at the most and less often where it is
slow. Whoever reads slowly skips states; whoever does not read at all is dropped. Closed with 4404 where there is no
such experiment, or not any more, 1001 when the server stops, 1013 where too many watch or one does not read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.errors import Failure
from serving.management.desk import Desk

PATH = "/ws/experiments/{key}"
UNKNOWN, GOING_AWAY, TRY_LATER = 4404, 1001, 1013
#: Between two readings.
EVERY_S = 1.0
#: Without a change; proxies cut connections that are silent for a minute.
PING_S = 15.0
#: One that has not taken a message after this does not read.
SEND_S = 5.0
MOST_WATCHERS = 256
#: A reading may take this share of the time at the most.
_SHARE = 0.1

_log = logging.getLogger(__name__)

#: An experiment's state by its name; None where there is none. Blocks.
ReadState = Callable[[str], dict[str, Any] | None]


class Watched:
    """One experiment, read for all its watchers."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.watchers = 0
        #: None: there is none any more.
        self.state: dict[str, Any] | None = state
        self.changed = asyncio.Condition()

    async def tell(self, state: dict[str, Any] | None) -> None:
        """Take a state in, or that there is none any more; watchers hear of it where it is another one."""
        if state != self.state:
            async with self.changed:
                self.state = state
                self.changed.notify_all()


class Watch:
    """The route.

    Args:
        read: Reads a state.
        every_s: Seconds between two readings.
        ping_s: Seconds of silence before a ping.
        send_s: Seconds that a watcher may take over a message.
        most: Watchers at once.
    """

    def __init__(
        self,
        read: ReadState,
        *,
        every_s: float = EVERY_S,
        ping_s: float = PING_S,
        send_s: float = SEND_S,
        most: int = MOST_WATCHERS,
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._ping_s = ping_s
        self._send_s = send_s
        self._most = most
        self._desk = Desk()
        self._watched: dict[str, Watched] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._connections: set[asyncio.Task[Any]] = set()

    @property
    def watchers(self) -> int:
        """How many there are."""
        return len(self._connections)

    def route(self) -> WebSocketRoute:
        """What the policy server's application adds."""
        return WebSocketRoute(PATH, self.watch)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """As long as it is served."""
        try:
            yield
        finally:
            for task in [*self._readers.values()]:
                task.cancel()

    async def watch(self, socket: WebSocket) -> None:
        """Serve one watcher until one of both goes."""
        await socket.accept()
        if len(self._connections) >= self._most:
            await self._close(socket, TRY_LATER, f"{self._most} watch already; try again later")
            return
        key = socket.path_params["key"]
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(socket, key)
        finally:
            self._connections.discard(task)

    async def _serve(self, socket: WebSocket, key: str) -> None:
        try:
            watched = await self._joined(key)
        except Failure as error:
            await self._close(socket, TRY_LATER, str(error))
            return
        if watched is None:
            await self._close(socket, UNKNOWN, f"unknown experiment {key[:80]!r}")
            return
        telling = asyncio.create_task(self._tell(socket, watched))
        hearing = asyncio.create_task(_until_gone(socket))
        try:
            await asyncio.wait((telling, hearing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, hearing):
                task.cancel()
            await asyncio.gather(telling, hearing, return_exceptions=True)
            self._left(key, watched)
        if telling.cancelled():
            return
        if telling.exception() is None:
            await self._close(socket, UNKNOWN, f"experiment {key[:80]!r} was deleted")
        elif isinstance(telling.exception(), TimeoutError):
            _log.warning("a watcher of %s does not read and was dropped", key)
            await self._close(socket, TRY_LATER, "you do not read; come back when you do")

    async def _tell(self, socket: WebSocket, watched: Watched) -> None:
        """Send the state, and each later one, until there is none; those that come while the watcher reads are skipped.

        Raises:
            TimeoutError: It does not read.
        """
        sent: dict[str, Any] | None = None
        while True:
            # Nothing is awaited between the look and the wait: no change is missed.
            async with watched.changed:
                if watched.state is sent:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._ping_s):
                            await watched.changed.wait()
                state = watched.state
            if state is None:
                return
            message = {"type": "ping", "ts": time.time()} if state is sent else {"type": "state", **state}
            async with asyncio.timeout(self._send_s):
                await socket.send_text(orjson.dumps(message).decode())
            sent = state

    async def _joined(self, key: str) -> Watched | None:
        """The experiment, with one more watcher; None where there is none."""
        watched = self._watched.get(key)
        if watched is None:
            state = await self._desk.do(lambda: self._read(key))
            if state is None:
                return None
            # Another may have been quicker.
            watched = self._watched.setdefault(key, Watched(state))
            if key not in self._readers:
                self._readers[key] = asyncio.create_task(self._keep_reading(key, watched))
        watched.watchers += 1
        return watched

    def _left(self, key: str, watched: Watched) -> None:
        watched.watchers -= 1
        if not watched.watchers:
            self._watched.pop(key, None)
            self._readers.pop(key).cancel()

    async def _keep_reading(self, key: str, watched: Watched) -> None:
        pause = self._every_s
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            # What ails the database the server's own poll says.
            with suppress(Failure):
                await watched.tell(await self._desk.do(lambda: self._read(key)))
            pause = max(self._every_s, (time.monotonic() - begun) / _SHARE)

    async def _close(self, socket: WebSocket, code: int, reason: str) -> None:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(self._send_s):
                # A reason has at most 123 bytes.
                await socket.close(code, reason.encode()[:120].decode(errors="ignore"))


async def _until_gone(socket: WebSocket) -> None:
    """Take in whatever the watcher says, and return when it is gone."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
