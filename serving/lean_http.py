"""HTTP/1.1 to our own servers: one request at a time on kept connections, parsed by httptools.

A general client costs more CPU per request than everything else that the policy server does for a list
(benchmarks/choose_with_features.py measures the whole); it serves redirects, cookies and streams that no model server
sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httptools

from serving.traceparent import current_traceparent

_MAX_BODY_BYTES = 16 << 20
#: Path, host, further headers, and of a POST the body's length and the body.
_GET = b"GET %b HTTP/1.1\r\nhost: %b\r\n%b\r\n"
_POST = b"POST %b HTTP/1.1\r\nhost: %b\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"

_NO_HEADERS: Mapping[str, str] = {}


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        status: Of HTTP.
        body: Whole.
    """

    status: int
    body: bytes


class HeadedAnswer(NamedTuple):
    """The same with a header.

    Attributes:
        status: Of HTTP.
        body: Whole.
        header: Value of the header that is wanted; empty where there is none.
    """

    status: int
    body: bytes
    header: str


class LeanHttp:
    """Connections to any number of servers, kept while they last. For one event loop.

    A call made for a request with a traceparent passes it on.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    def close(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def send(
        self,
        base_url: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout_s: float | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Answer:
        """GET a path, or POST a body to it. A request that is cancelled takes its connection with it.

        Args:
            base_url: ``http://host:port``, or ``https://``.
            path: Behind it, with its query, e.g. ``/recommend``; ASCII.
            body: JSON to POST. The server may see it twice, where an idle connection breaks under the request.
            timeout_s: Longest wait for the whole answer, connecting included; None: no limit.
            headers: Further ones; values as they came in a request's own headers.

        Raises:
            TimeoutError: The answer did not come in time.
            OSError: No connection, or it broke.
        """
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        idle = self._idle.setdefault(base_url, [])
        while idle:
            connection = idle.pop()
            try:
                return await connection.send(path, body, deadline, headers)
            except _Stale:
                # The server closed it, as servers do with idle ones, before it knew of this request.
                continue
        async with asyncio.timeout_at(deadline):
            connection = await self._connect(base_url, idle)
        return await connection.send(path, body, deadline, headers)

    async def _connect(self, base_url: str, idle: list[_Connection]) -> _Connection:
        parts = urlsplit(base_url)
        secure = parts.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: self._new(parts.netloc, parts.path.rstrip("/"), idle),
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            ssl=secure or None,
        )
        return connection

    def _new(self, host: str, prefix: str, idle: list[_Connection]) -> _Connection:
        return _Connection(host, prefix, idle)


class HeadedHttp(LeanHttp):
    """The same for who wants a header of the answers, which come as ``HeadedAnswer``.

    Args:
        header: Its name.
    """

    def __init__(self, header: str) -> None:
        super().__init__()
        self._header = header

    def _new(self, host: str, prefix: str, idle: list[_Connection]) -> _Connection:
        return _HeaderConnection(host, prefix, idle, self._header)


class _Stale(ConnectionError):
    """A connection that served before ended without a byte of answer."""


class _Connection(asyncio.Protocol):
    """A connection to one server; back among the idle ones after each answer, if the server keeps it open."""

    def __init__(self, host: str, prefix: str, idle: list[_Connection]) -> None:
        self._host = host.encode("ascii")
        self._prefix = prefix
        self._idle = idle
        self._served = False
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._answer: asyncio.Future[Answer] | None = None
        self._begun = False
        self._body = bytearray()

    async def send(self, path: str, body: bytes | None, deadline: float | None, headers: Mapping[str, str]) -> Answer:
        """One request and its answer, which must be here at a time of the event loop's clock."""
        if self._transport.is_closing():
            raise _Stale
        loop = asyncio.get_running_loop()
        self._answer = answer = loop.create_future()
        self._begun = False
        target = (self._prefix + path).encode("ascii")
        traceparent = current_traceparent()
        more = f"traceparent: {traceparent}\r\n".encode("ascii") if traceparent else b""
        for name, value in headers.items():
            more += f"{name}: {value}\r\n".encode("latin-1")
        self._transport.write(
            _GET % (target, self._host, more) if body is None else _POST % (target, self._host, more, len(body), body)
        )
        # A timer of its own: asyncio.timeout costs a tenth of what the whole request does.
        timer = None if deadline is None else loop.call_at(deadline, self._fail, TimeoutError("no answer in time"))
        try:
            return await answer
        except asyncio.CancelledError:
            # The answer may still come: nobody may take it for that of the next request.
            self._transport.abort()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Close it; nothing is under way on it."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is no HTTP ({error})"))

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        stale = self._served and not self._begun
        self._fail(_Stale() if stale else error or ConnectionResetError("the connection was closed before the answer"))

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > _MAX_BODY_BYTES:
            self._fail(ConnectionError(f"the answer is longer than {_MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        answer, self._body = self._complete(self._parser.get_status_code(), bytes(self._body)), bytearray()
        if self._answer is None or self._answer.done():
            # Nobody asked: what comes next on this connection cannot be trusted.
            self._transport.abort()
            return
        self._answer.set_result(answer)
        # From here on the next request may take the connection, even before this one's caller wakes up.
        self._answer, self._served = None, True
        if self._parser.should_keep_alive():
            self._idle.append(self)
        else:
            self._transport.close()

    def _complete(self, status: int, body: bytes) -> Any:
        return Answer(status, body)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._answer = None
        self._transport.abort()


class _HeaderConnection(_Connection):
    """Looks at the headers of answers, too."""

    def __init__(self, host: str, prefix: str, idle: list[_Connection], wanted: str) -> None:
        super().__init__(host, prefix, idle)
        self._wanted = wanted.encode("ascii")
        self._header = ""

    def on_message_begin(self) -> None:
        self._header = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == self._wanted:
            self._header = value.decode("latin-1")

    def _complete(self, status: int, body: bytes) -> Any:
        return HeadedAnswer(status, body, self._header)
