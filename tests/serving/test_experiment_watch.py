"""The WebSocket of experiments: states as they change, pings, and how it ends; by a real client on a real server."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.errors import EventLogError
from serving.management.watch import Watch
from tests.managed_server import Managed, managed_server

#: Longer than any of these should take.
LIMIT_S = 20


def watching(url: str, key: str) -> connect:
    return connect(f"{url.replace('http', 'ws')}/ws/experiments/{key}", proxy=None, max_size=None)


async def said(watcher: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_S):
        return dict(json.loads(await watcher.recv()))


async def closed(watcher: ClientConnection) -> tuple[int, str]:
    """Code and reason, once it is closed."""
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(ConnectionClosed) as caught:
            await _to_the_end(watcher)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def _to_the_end(watcher: ClientConnection) -> None:
    while True:
        await watcher.recv()


def test_the_state_and_then_each_change(managed: Managed) -> None:
    managed.create("watched")

    async def watch() -> list[dict[str, Any]]:
        async with watching(managed.url, "watched") as watcher, watching(managed.url, "watched") as other:
            states = [await said(watcher), await said(other)]
            managed.act("watched", "start", servers=managed.servers)
            states.append(await said(watcher))
            assert await said(other) == states[-1]
            for user in range(5):
                managed.http.get("/choose", params={"user_id": user})
            while states[-1]["sessions"] < 5:
                states.append(await said(watcher))
            managed.act("watched", "stop")
            states.append(await said(watcher))
            return states

    begun = time.monotonic()
    first, same, started, *_, stopped = states = asyncio.run(watch())
    assert first == same
    assert (first["type"], first["experiment"], first["kind"], first["state"]) == ("state", "watched", "fixed", "draft")
    assert (started["state"], stopped["state"], stopped["sessions"]) == ("running", "stopped", 5)
    assert len(states) - 2 <= time.monotonic() - begun + 1, "a message a second at the most"


def test_an_unknown_experiment_is_closed_with_a_reason(managed: Managed) -> None:
    async def watch(key: str) -> tuple[int, str]:
        async with watching(managed.url, key) as watcher:
            return await closed(watcher)

    assert asyncio.run(watch("nope")) == (4404, "unknown experiment 'nope'")
    code, reason = asyncio.run(watch("%E2%98%83" * 60))
    assert (code, reason.startswith("unknown experiment '☃☃")) == (4404, True)


def test_a_deleted_experiment_ends_the_watch(managed: Managed) -> None:
    managed.create("forgotten")

    async def watch() -> tuple[int, str]:
        async with watching(managed.url, "forgotten") as watcher:
            await said(watcher)
            assert managed.http.delete("/experiments/forgotten").status_code == 204
            return await closed(watcher)

    assert asyncio.run(watch()) == (4404, "experiment 'forgotten' was deleted")


def test_it_ends_in_order_with_the_server(tmp_path: Path) -> None:
    async def watch(server: Managed) -> tuple[tuple[int, str], float]:
        async with watching(server.url, "watched") as watcher:
            await said(watcher)
            begun = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(server.process.stop))
            found = await closed(watcher)
            await stopping
            return found, time.monotonic() - begun

    with managed_server(tmp_path) as server:
        server.create("watched")
        (code, _), took = asyncio.run(watch(server))
    assert code in (1001, 1012)
    assert took < 4.5, "the server did not have to be killed"
    assert "Traceback" not in (tmp_path / "policy.log").read_text()


@asynccontextmanager
async def served(watch: Watch) -> AsyncIterator[str]:
    """The WebSocket alone, on a reading of the test's own."""
    app = Starlette(routes=[watch.route()], lifespan=lambda _app: watch.lifespan())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=2))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(LIMIT_S):
                await task


class Reading:
    """A state that changes with every reading, or stays."""

    def __init__(self, *, still: bool = False, size: int = 0, broken: bool = False) -> None:
        self.count = 0
        self._still, self._size, self._broken = still, size, broken

    def __call__(self, key: str) -> dict[str, Any] | None:
        self.count += 1
        if self._broken:
            raise EventLogError("the disk is gone")
        return {"experiment": key, "sessions": 0 if self._still else self.count, "padding": "x" * self._size}


def run(watch: Watch, body: Callable[[str], Any]) -> Any:
    async def both() -> Any:
        async with served(watch) as url:
            return await body(url)

    return asyncio.run(both())


def test_watchers_share_one_reading_and_the_last_one_ends_it() -> None:
    reading = Reading()

    async def body(url: str) -> tuple[int, int]:
        async with watching(url, "a") as one, watching(url, "a") as other, watching(url, "a") as third:
            for watcher in (one, other, third):
                await said(watcher)
            while (await said(one))["sessions"] < 5:
                pass
        during = reading.count
        await asyncio.sleep(0.3)
        return during, reading.count

    during, after = run(Watch(reading, every_s=0.05), body)
    assert during <= 12, "three watchers, and not three times the readings"
    assert after <= during + 1


def test_silence_is_filled_with_pings() -> None:
    async def body(url: str) -> list[str]:
        async with watching(url, "a") as watcher:
            return [(await said(watcher))["type"] for _ in range(3)]

    assert run(Watch(Reading(still=True), every_s=0.05, ping_s=0.1), body) == ["state", "ping", "ping"]


def test_a_watcher_that_does_not_read_is_dropped_and_the_others_go_on() -> None:
    async def body(url: str) -> int:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            b"GET /ws/experiments/a HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await writer.drain()
        async with watching(url, "a") as other:
            begun = (await said(other))["sessions"]
            async with asyncio.timeout(LIMIT_S):
                while True:
                    state = await said(other)
                    if watch.watchers == 1:
                        break
        writer.close()
        return int(state["sessions"] - begun)

    watch = Watch(Reading(size=1 << 20), every_s=0.05, send_s=0.3)
    assert run(watch, body) > 3


def test_no_more_watch_than_may_and_a_broken_log_says_so() -> None:
    async def body(url: str) -> tuple[int, str]:
        async with watching(url, "a") as one, watching(url, "a") as other:
            await said(one)
            return await closed(other)

    assert run(Watch(Reading(), most=1), body) == (1013, "1 watch already; try again later")

    async def alone(url: str) -> tuple[int, str]:
        async with watching(url, "a") as one:
            return await closed(one)

    assert run(Watch(Reading(broken=True)), alone) == (1013, "the disk is gone")
