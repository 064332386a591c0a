"""An HTTP server of one file that can do, and fail at, everything a download meets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """What is served, and how.

    Attributes:
        files: Path to content.
        etag: Version of every file; empty: none is told.
        modified: Likewise as Last-Modified.
        ranges: Ask for a part and get it.
        breaks_after: Bytes after which the connection of the next answers ends, one for each.
        statuses: Statuses of the next answers, one for each.
        redirects: Path to another address.
        tells_length: Answers say how long they are.
        shift: A part begins so many bytes after where it was asked to.
        md5_breaks_after: Bytes after which the connection of the .md5's answer ends.
        requests: (method and path, headers) of each request so far.
    """

    files: dict[str, bytes]
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    tells_length: bool = True
    shift: int = 0
    md5_breaks_after: int | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def asked(self, header: str) -> list[str]:
        """A header's value in each request for a file, empty where there was none."""
        return [headers.get(header, "") for path, headers in self.requests if not path.endswith(".md5")]


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Served]:
    """Serve files on a free port while the block runs."""
    served = Served(files)

    class Answers(_Answers):
        what = served

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        served.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


class _Answers(BaseHTTPRequestHandler):
    what: Served

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.what.requests.append((self.path, dict(self.headers)))
        if path in self.what.redirects:
            self._head(302, {"Location": self.what.redirects[path], "Content-Length": "0"})
        elif path in self.what.files and not path.endswith(".md5"):
            self._file(self.what.files[path])
        elif path in self.what.files:
            self._body(200, self.what.files[path], {})
        else:
            self._head(404, {"Content-Length": "0"})

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""

    def _file(self, content: bytes) -> None:
        if self.what.statuses:
            self._head(self.what.statuses.pop(0), {"Content-Length": "0"})
            return
        told = {"ETag": self.what.etag, "Last-Modified": self.what.modified}
        told = {name: value for name, value in told.items() if value}
        asked = [(self.headers.get("If-None-Match"), "ETag"), (self.headers.get("If-Modified-Since"), "Last-Modified")]
        if any(value and value == told.get(name) for value, name in asked):
            self._head(304, told)
            return
        wanted = self.headers.get("Range", "")
        current = self.headers.get("If-Range", "") in told.values()
        if not (self.what.ranges and wanted and current):
            self._body(200, content, told)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self._head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        start += self.what.shift
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._body(206, content[start:], {**told, "Content-Range": place})

    def _body(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        length = {"Content-Length": str(len(content))} if self.what.tells_length else {}
        self._head(status, {**headers, **length})
        if self.path.endswith(".md5"):
            end = self.what.md5_breaks_after
        else:
            end = self.what.breaks_after.pop(0) if self.what.breaks_after else None
        self.wfile.write(content[:end])
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
