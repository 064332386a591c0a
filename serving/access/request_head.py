"""HTTP as uvicorn speaks it, with the limits that it lacks: of a request's head, and of how long a caller may take.

httptools takes gigabytes of headers, and uvicorn waits for the rest of a request, or for somebody to read its answer,
as long as it takes. A few hundred callers that do nothing would hold every connection there may be.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Beyond what one read brings (256 KiB at most).
MAX_HEAD_BYTES = 64 * 1024
#: How long a request may take to come in, counted from its first byte or from the connection, and an answer to be read.
PATIENCE_S = 20.0
#: Key of the ASGI scope: when the request's head was there, by the event loop's clock.
ARRIVED = "screentest.arrived"


def _answer(status: bytes, reason: bytes) -> bytes:
    body = b'{"error":"%s"}' % reason
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
    return head % (status, len(body), body)


_TOO_LONG = _answer(
    b"431 Request Header Fields Too Large",
    b"request line and headers are longer than %d bytes; send less" % MAX_HEAD_BYTES,
)
_TOO_SLOW = _answer(
    b"408 Request Timeout", b"the request did not come in whole within %d s; send it again" % PATIENCE_S
)


class LimitedHead(HttpToolsProtocol):
    """Answers 431 to a head that is too long, and ends connections whose caller takes too long.

    A request that comes in one piece, as nearly all do, costs two comparisons: a timer is started only for one that is
    not whole yet, and for an answer that is not read at once.

    Attributes:
        patience_s: See ``PATIENCE_S``.
    """

    patience_s = PATIENCE_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        #: Begun, not there in whole.
        self._unfinished = False
        self._messages = 0
        self._head_bytes = 0
        self._sending: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._sending = self.loop.call_later(self.patience_s, self._sent_too_slowly)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._end_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        before = self._messages
        super().data_received(data)
        if self._messages == before or self._unfinished:
            # Also after what is no part of a request, such as an empty line: it ends uvicorn's own keep-alive timer.
            if self._sending is None and not self.transport.is_closing():
                self._sending = self.loop.call_later(self.patience_s, self._sent_too_slowly)
        elif self._sending is not None:
            self._sending.cancel()
            self._sending = None
        if not self._in_head:
            return
        # What else came with the end of a message is the beginning of the next, less than one read.
        self._head_bytes = self._head_bytes + len(data) if self._messages == before else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn: from here on another protocol has the connection, and time-outs of its own."""
        self._end_timers()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_message_begin(self) -> None:
        """See httptools."""
        self._unfinished = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        self.scope[ARRIVED] = self.loop.time()  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        self._in_head = True
        self._unfinished = False
        self._messages += 1

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            # What the kernel did not take: it may never be read.
            self._await_reader()

    def _await_reader(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(self.patience_s, self._read_too_slowly)

    def _read_too_slowly(self) -> None:
        self._reading = None
        if self.transport.get_write_buffer_size():
            # Not close(): that waits until it is read.
            self.transport.abort()

    def _sent_too_slowly(self) -> None:
        self._sending = None
        answering = self.cycle is not None and not self.cycle.response_complete
        in_body = not self._in_head
        if self.flow.read_paused or (answering and not in_body):
            # It is we who keep the caller waiting.
            self._sending = self.loop.call_later(self.patience_s, self._sent_too_slowly)
        elif self.transport.is_closing():
            self.transport.abort()
        else:
            # A second answer to one request would be taken for that to the next.
            if self._unfinished and not (in_body and self.cycle.response_started):
                self.transport.write(_TOO_SLOW)
            # The application, if it waits for the rest of a body, is told that the caller is gone.
            self.transport.close()

    def _end_timers(self) -> None:
        for timer in (self._sending, self._reading):
            if timer is not None:
                timer.cancel()
        self._sending = self._reading = None
