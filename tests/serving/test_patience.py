"""Callers that take their time: a real server ends their connections, and nobody else's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect

from serving.access.request_head import LimitedHead
from serving.http_errors import body_of

PATIENCE_S = 0.3
#: Longer than any of it; only a server that never ends a connection is waited for as long.
LONG_S = 10.0
GET = b"GET %b HTTP/1.1\r\nhost: h\r\n\r\n"
HALF = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab"
LARGE = 8 << 20


class Impatient(LimitedHead):
    patience_s = PATIENCE_S


class Application:
    """Answers what it is asked for by path; keeps what became of bodies."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(3 * PATIENCE_S)
        elif scope["path"] != "/unread":
            try:
                self.bodies.append((await body_of(receive)).decode())
            except ClientDisconnect:
                self.bodies.append("gone")
                self.ended.set()
                return
        body = b"x" * (LARGE if scope["path"] == "/large" else 1)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        if scope["path"] == "/large":
            self.ended.set()

    async def _socket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(3 * PATIENCE_S)
        await send({"type": "websocket.send", "text": "still here"})


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[tuple[Connect, uvicorn.Server]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=Impatient, lifespan="off", log_config=None, timeout_keep_alive=60)
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(*listener.getsockname())

        yield connect, server
        server.should_exit = True
        await task


def run(use: Callable[[Connect, Application, uvicorn.Server], Awaitable[None]]) -> None:
    async def session() -> None:
        app = Application()
        async with serving(app) as (connect, server):
            await use(connect, app, server)

    asyncio.run(session())


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server ends the connection."""
    async with asyncio.timeout(LONG_S):
        return await reader.read()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET / HTTP/1.1\r\nhost: h\r\n", b"HTTP/1.1 408 "),
        (HALF, b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", b"HTTP/1.1 408 "),
    ],
    ids=["nothing", "an empty line", "half a head", "half a body", "a chunk"],
)
def test_what_does_not_come_in_whole_is_ended(sent: bytes, status: bytes) -> None:
    async def use(connect: Connect, app: Application, _: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(sent)
        answer = await rest(reader)
        assert answer[: len(status)] == status
        assert bool(answer) == bool(status)
        if sent.startswith(b"POST"):
            await asyncio.wait_for(app.ended.wait(), LONG_S)
            assert app.bodies == ["gone"]
        writer.close()

    run(use)


def test_a_trickle_gains_no_time() -> None:
    async def use(connect: Connect, app: Application, _: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10000\r\n\r\n")
        answer = asyncio.create_task(rest(reader))
        sent = 0
        while not answer.done():
            writer.write(b"a")
            sent += 1
            await asyncio.sleep(PATIENCE_S / 10)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert sent < 100
        writer.close()

    run(use)


def test_an_empty_line_does_not_keep_an_idle_connection_for_good() -> None:
    async def use(connect: Connect, app: Application, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(GET % b"/")
        assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200")
        writer.write(b"\r\n")
        assert await rest(reader) == b""
        writer.close()

    run(use)


def test_a_body_that_still_comes_after_its_answer_gets_no_second_one() -> None:
    async def use(connect: Connect, app: Application, _: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST /unread HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab")
        assert (await rest(reader)).count(b"HTTP/1.1") == 1
        writer.close()

    run(use)


def test_a_connection_in_use_and_one_that_waits_for_us_are_left_alone() -> None:
    async def use(connect: Connect, app: Application, _: uvicorn.Server) -> None:
        reader, writer = await connect()
        for _number in range(4):
            writer.write(GET % b"/")
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\nx"), LONG_S)
            await asyncio.sleep(PATIENCE_S / 2)
        # The first is answered late, the second waits behind it.
        writer.write(GET % b"/slow" + GET % b"/" + b"\r\n")
        for _number in range(2):
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\nx"), LONG_S)).startswith(b"HTTP/1.1 200")
        writer.close()

    run(use)


def test_a_websocket_lasts() -> None:
    async def use(connect: Connect, app: Application, _: uvicorn.Server) -> None:
        reader, writer = await connect()
        upgrade = b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        key = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        writer.write(b"GET /ws HTTP/1.1\r\nhost: h\r\n" + upgrade + key + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        assert (await asyncio.wait_for(reader.readexactly(12), LONG_S))[2:] == b"still here"
        writer.close()

    run(use)


def test_an_answer_that_nobody_reads_is_dropped() -> None:
    async def use(connect: Connect, app: Application, server: uvicorn.Server) -> None:
        _, writer = await connect()
        # Nothing is taken from the connection: its buffers fill up.
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % b"/large")
        await asyncio.wait_for(app.ended.wait(), LONG_S)
        async with asyncio.timeout(LONG_S):
            while server.server_state.connections:
                await asyncio.sleep(0.02)
        writer.transport.abort()

    run(use)
