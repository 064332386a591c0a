"""A local OpenAI-compatible server: a chat model that does what its prompt says, the same every time, or misbehaves."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_NUMBERED = re.compile(r"^\d+\. (?P<line>.*)$", re.MULTILINE)
_YEAR = re.compile(r"\((?P<year>\d{4})\)(?P<genres>.*)$")

KEY = "sk-not-a-secret-7f3b9"


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class ChatServer:
    """What tests see of the server.

    Attributes:
        url: Base URL, to be OPENAI_BASE_URL.
        script: How the next requests are met, one word each: ok (also when it is empty), busy, busy_long, broken,
            garbage, nested, no_choices, half_emoji, chatter, invented, refuse, redirect, hang, trickle; hold: ok, once
            ``released`` is set.
        always: How every request is met once the script is empty.
        asked: Every request: its body, and its headers under ``headers``.
        arrived: Released once for each request.
    """

    def __init__(self) -> None:
        self.script: deque[str] = deque()
        self.always = "ok"
        self.asked: list[dict[str, Any]] = []
        self.arrived = threading.Semaphore(0)
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body are written one after the other: the second would wait 40 ms for the first's receipt.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append({**body, "path": self.path, "headers": dict(self.headers)})
                server.arrived.release()
                getattr(self, server.script.popleft() if server.script else server.always)(body)

            def ok(self, body: dict[str, Any]) -> None:
                self.reply(completion(thought(body["messages"]), body))

            def chatter(self, body: dict[str, Any]) -> None:
                self.reply(completion(f"Sure!\n```json\n{thought(body['messages'])}\n```\nEnjoy.", body))

            def invented(self, body: dict[str, Any]) -> None:
                self.reply(completion('{"ranking": [1, 99], "explanations": ["only one"], "score": 11}', body))

            def garbage(self, body: dict[str, Any]) -> None:
                self.reply(b"<html>not what you asked for</html>")

            def nested(self, body: dict[str, Any]) -> None:
                self.reply(b"[" * 100_000)

            def half_emoji(self, body: dict[str, Any]) -> None:
                self.reply(completion(thought(body["messages"]).replace("You may", r"\ud83d"), body))

            def no_choices(self, body: dict[str, Any]) -> None:
                self.reply(b'{"object": "chat.completion", "choices": []}')

            def busy(self, body: dict[str, Any]) -> None:
                self.reply(b"{}", 429, {"Retry-After": "0"})

            def busy_long(self, body: dict[str, Any]) -> None:
                self.reply(b"{}", 429, {"Retry-After": "3600"})

            def broken(self, body: dict[str, Any]) -> None:
                self.reply(b"{}", 500)

            def refuse(self, body: dict[str, Any]) -> None:
                self.reply(json.dumps({"error": f"no such key: {self.headers['authorization']}"}).encode(), 401)

            def redirect(self, body: dict[str, Any]) -> None:
                self.reply(b"", 307, {"Location": "/elsewhere"})

            def hang(self, body: dict[str, Any]) -> None:
                server.released.wait()
                self.close_connection = True

            def hold(self, body: dict[str, Any]) -> None:
                server.released.wait()
                self.ok(body)

            def trickle(self, body: dict[str, Any]) -> None:
                """A byte now and then, so that no single read is late."""
                self.send_response(200)
                self.send_header("content-length", "1000000")
                self.end_headers()
                while not server.released.wait(0.02):
                    try:
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    except OSError:
                        break
                self.close_connection = True

            def reply(self, text: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"content-length": str(len(text)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._http = _Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    server = ChatServer()
    try:
        yield server
    finally:
        server.stop()


def completion(text: str, body: dict[str, Any]) -> bytes:
    asked = sum(len(message["content"].split()) for message in body["messages"])
    document = {
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": len(text.split())},
    }
    return json.dumps(document).encode()


def thought(messages: list[dict[str, str]]) -> str:
    """What the "model" says: it ranks by shared genres unless the system prompt wants the newest first or backwards."""
    system, user = messages[0]["content"], messages[-1]["content"]
    if "You compare" in system:
        return '{"score": 8}'
    lines = [found["line"] for found in _NUMBERED.finditer(user)]
    if "explanations" in system:
        return json.dumps({"explanations": [f"You may like {line}." for line in lines]})
    taste = genres_of(user[: user.index(f"1. {lines[0]}")])
    places = range(len(lines))
    if "newest first" in system:
        order = sorted(places, key=lambda place: -year_of(lines[place]))
    elif "backwards" in system:
        order = list(reversed(places))
    else:
        order = sorted(places, key=lambda place: -len(taste & genres_of(lines[place])))
    return json.dumps({"ranking": [place + 1 for place in order]})


def year_of(line: str) -> int:
    found = _YEAR.search(line)
    return int(found["year"]) if found else 0


def genres_of(text: str) -> set[str]:
    found = (_YEAR.search(line) for line in text.splitlines())
    return {genre.strip() for match in found if match for genre in match["genres"].split(",") if genre.strip()}
