"""Model servers of any version number, in threads: they speak the model server's HTTP, and rank the same few items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

#: Three variants, pinned to versions 1, 2 and 3.
VERSIONS = {"plain": "1", "fresh": "2", "bold": "3"}


def spec_document(name: str = "three-lists", **changes: Any) -> dict[str, Any]:
    """An A/B/n test of the three."""
    document: dict[str, Any] = {
        "name": name,
        "variants": {variant: f"models:/recommender/{version}" for variant, version in VERSIONS.items()},
        "control": "plain",
        "traffic": {"policy": "fixed"},
    }
    return {**document, **changes}


@contextmanager
def version_server(version: str) -> Iterator[str]:
    """One server; its address."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet, or the second waits 40 ms for the first to be acknowledged.
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            self._send({"ready": True, "model": "recommender", "model_version": version})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            items = [{"item_id": item, "score": 1.0 / item} for item in range(1, asked["k"] + 1)]
            self._send({"items": items, "model_version": version})

        def _send(self, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def three_servers() -> Iterator[dict[str, str]]:
    """A server for each variant of ``spec_document``; variant to address."""
    with ExitStack() as stack:
        yield {variant: stack.enter_context(version_server(version)) for variant, version in VERSIONS.items()}
