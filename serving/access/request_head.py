"""HTTP as uvicorn speaks it, with a limit for a request's head: httptools has none, and takes gigabytes of them."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Beyond what one read brings (256 KiB at most).
MAX_HEAD_BYTES = 64 * 1024
_BODY = b'{"error":"request line and headers are longer than %d bytes; send less"}' % MAX_HEAD_BYTES
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class LimitedHead(HttpToolsProtocol):
    """Answers 431 and closes once a head that has not ended is longer than ``MAX_HEAD_BYTES``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._messages = 0
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        before = self._messages
        super().data_received(data)
        if not self._in_head:
            return
        # What else came with the end of a message is the beginning of the next, less than one read.
        self._head_bytes = self._head_bytes + len(data) if self._messages == before else 0
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_ANSWER)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        self._in_head = True
        self._messages += 1
