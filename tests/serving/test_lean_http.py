import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serving.lean_http import Answer, HeadedAnswer, HeadedHttp, LeanHttp
from serving.traceparent import tracing

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Behaviour = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that does as it is told; remembers what it was sent, and by how many connections."""

    def __init__(self, behave: Behaviour) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._behave = behave

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) if b"content-length" in head else 0
        self.requests.append(head.split(b"\r\n")[0] + b" | " + await reader.readexactly(length))
        return self.requests[-1]

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._behave(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(body: bytes, head: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return head + b"\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def echo(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(answer(await peer.read(reader)))


async def one_answer_each(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(await peer.read(reader)))


async def in_pieces(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    for byte in b"HTTP/1.1 418 Teapot\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    await reader.read()


def run(behave: Behaviour, use: Callable[[LeanHttp, str, Peer], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        peer, http = Peer(behave), LeanHttp()
        async with peer as url:
            try:
                return await use(http, url, peer)
            finally:
                http.close()

    return asyncio.run(session())


def test_requests_one_after_another_share_a_connection() -> None:
    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        assert await http.send(url, "/a?b=1") == Answer(200, b"GET /a?b=1 HTTP/1.1 | ")
        assert await http.send(url, "/a", b"{}") == Answer(200, b"POST /a HTTP/1.1 | {}")
        assert await http.send(url, "/a", b"") == Answer(200, b"POST /a HTTP/1.1 | ")
        assert peer.connections == 1

    run(echo, use)


def test_requests_at_once_get_each_its_own_answer() -> None:
    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        async def worker(name: int) -> None:
            for number in range(20):
                body = f"{name} {number}".encode()
                assert (await http.send(url, "/", body)).body.endswith(b"| " + body)

        await asyncio.gather(*(worker(name) for name in range(8)))
        assert peer.connections <= 8

    run(echo, use)


def test_an_answer_may_come_in_pieces() -> None:
    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        assert await http.send(url, "/", b"{}") == Answer(418, b"abcde")

    run(in_pieces, use)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        for number in range(3):
            assert (await http.send(url, "/", b"%d" % number)).status == 200
        assert peer.connections == 3

    run(one_answer_each, use)


def test_a_connection_that_breaks_under_an_idle_server_is_tried_once_more_on_a_new_one() -> None:
    async def behave(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await peer.read(reader)))
        await peer.read(reader)

    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        await http.send(url, "/", b"first")
        assert (await http.send(url, "/", b"second")).body.endswith(b"second")
        assert (peer.connections, len(peer.requests)) == (2, 3)

    run(behave, use)


def test_a_new_connection_that_breaks_is_told() -> None:
    async def behave(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab")

    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        with pytest.raises(ConnectionError, match="closed before the answer"):
            await http.send(url, "/", b"{}")
        assert len(peer.requests) == 1

    run(behave, use)


def test_what_is_no_http_is_told() -> None:
    async def behave(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        writer.write(b"-ERR unknown command\r\n")
        await reader.read()

    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        with pytest.raises(ConnectionError, match="no HTTP"):
            await http.send(url, "/", b"{}")

    run(behave, use)


@pytest.mark.parametrize("own_timer", [True, False])
def test_an_answer_that_nobody_waits_for_any_more_is_never_taken_for_another(own_timer: bool) -> None:
    late = asyncio.Event()

    async def behave(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await peer.read(reader)
        if request.endswith(b"slow"):
            await late.wait()
        writer.write(answer(request))
        await reader.read()

    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None if own_timer else 0.05):
                await http.send(url, "/", b"slow", timeout_s=0.05 if own_timer else None)
        late.set()
        assert (await http.send(url, "/", b"next")).body.endswith(b"next")
        assert peer.connections == 2

    run(behave, use)


def test_nobody_at_the_address_is_told() -> None:
    async def use(http: LeanHttp, url: str, peer: Peer) -> None:
        with pytest.raises(OSError, match=r"refused|Connect"):
            await http.send("http://127.0.0.1:1", "/")

    run(echo, use)


def test_a_trace_and_further_headers_go_along_and_a_wanted_header_comes_back() -> None:
    heads: list[bytes] = []

    async def behave(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            await reader.readexactly(2 if b"content-length" in head else 0)
            told = b"" if len(heads) > 1 else b"X-Model-Version: 7\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\n" + told + b"content-length: 0\r\n\r\n")

    async def use() -> None:
        http, peer = HeadedHttp("x-model-version"), Peer(behave)
        async with peer as url:
            with tracing(TRACEPARENT):
                answer = await http.send(url, "/", b"{}", headers={"authorization": "Bearer é"})
                assert answer == HeadedAnswer(200, b"", "7")
            assert await http.send(url, "/") == HeadedAnswer(200, b"", "")
            http.close()

    asyncio.run(use())
    first, second = (head.decode("latin-1").split("\r\n") for head in heads)
    assert f"traceparent: {TRACEPARENT}" in first
    assert "authorization: Bearer é" in first
    assert not any(line.startswith(("traceparent", "authorization")) for line in second)
