"""A Kubernetes API server for tests: real HTTP on a loopback port, objects in memory.

What it does as the real one: resourceVersion (one counter) and generation (counts changes of the spec), 409 for a write
that rests on an older version, 404, 422 for what the CRD refuses, the status subresource, merge patch, watches that
stream, send bookmarks, end after their time, and are answered 410 where the history does not reach back. Errors are
``Status`` objects. Tests can break it: cut watches, forget history, refuse the next calls, slip a write in between.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.strict_schema import problems

_BOOKMARK_EVERY_S = 0.2
_REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
}


class Refused(Exception):
    """An answer that is a ``Status``."""

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason or _REASONS.get(code, "InternalError"),
            "code": code,
        }


class Key(NamedTuple):
    """Where an object is."""

    group: str
    plural: str
    namespace: str
    name: str


class Event(NamedTuple):
    """A change, as watches tell it."""

    version: int
    kind: str
    key: Key
    document: dict[str, Any]


@dataclass
class Kubernetes:
    """The store behind the server; also the way in for controllers, which need no HTTP."""

    crds: dict[str, str] = field(default_factory=dict)
    """CRD file by plural: its objects are validated, strictly."""
    namespaces: set[str] = field(default_factory=lambda: {"default"})
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every call over HTTP."""
    refusals: list[tuple[str, int]] = field(default_factory=list)
    """(method, status) of calls to be refused, each once."""
    before_write: Callable[[], None] | None = None
    """Called, once, before the next write over HTTP: another writer that is first."""
    before_watch: Callable[[], None] | None = None
    """Called, once, before the next watch begins."""

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[Key, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.version = 100
        self.oldest = 100
        self.cuts = 0
        self.closed = False

    @property
    def writes(self) -> int:
        """Calls over HTTP that meant to change something."""
        return sum(method != "GET" for method, _ in self.requests)

    def forget_history(self) -> None:
        """As after a compaction: watches from before this moment are answered 410."""
        with self.changed:
            self.events.clear()
            self.version += 1
            self.oldest = self.version

    def cut_watches(self) -> None:
        """Break every watch's connection in the middle of the stream."""
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def get(self, key: Key) -> dict[str, Any]:
        with self.changed:
            if key not in self.objects:
                raise Refused(404, f'{key.plural}.{key.group} "{key.name}" not found')
            return deepcopy(self.objects[key])

    def create(self, key: Key, document: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            if key.namespace not in self.namespaces:
                raise Refused(404, f'namespaces "{key.namespace}" not found')
            if key in self.objects:
                raise Refused(409, f'{key.plural}.{key.group} "{key.name}" already exists', "AlreadyExists")
            made = deepcopy(document)
            self._validate(key, made)
            made.pop("status", None)
            made["metadata"] |= {
                "namespace": key.namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "generation": 1,
            }
            return self._store("ADDED", key, made)

    def replace(self, key: Key, document: dict[str, Any], *, status: bool = False) -> dict[str, Any]:
        with self.changed:
            now = self.get(key)
            given = document["metadata"].get("resourceVersion")
            if not given:
                raise Refused(422, "metadata.resourceVersion: Invalid value: must be specified for an update")
            if given != now["metadata"]["resourceVersion"]:
                raise Refused(
                    409,
                    f'Operation cannot be fulfilled on {key.plural}.{key.group} "{key.name}": the object has been '
                    "modified; please apply your changes to the latest version and try again",
                )
            after = deepcopy(now if status else document)
            if status:
                after["status"] = deepcopy(document.get("status", {}))
            self._validate(key, after)
            if not status:
                after.pop("status", None)
                if "status" in now:
                    after["status"] = now["status"]
                own = ("namespace", "uid", "creationTimestamp", "generation", "resourceVersion")
                after["metadata"] |= {name: now["metadata"][name] for name in own}
                after["metadata"]["generation"] += int(after.get("spec") != now.get("spec"))
            # The real one, too, makes no new version of a write that changes nothing.
            return now if after == now else self._store("MODIFIED", key, after)

    def patch(self, key: Key, patch: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            now = self.get(key)
            after = _merged(now, patch)
            if "resourceVersion" not in patch.get("metadata", {}):
                after["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"]
            return self.replace(key, after)

    def delete(self, key: Key) -> dict[str, Any]:
        with self.changed:
            gone = self.get(key)
            del self.objects[key]
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell(Event(self.version, "DELETED", key, gone))
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def list(self, group: str, plural: str, namespace: str, name: str = "") -> list[dict[str, Any]]:
        with self.changed:
            return [
                deepcopy(found)
                for key, found in sorted(self.objects.items())
                if key[:3] == (group, plural, namespace) and name in ("", key.name)
            ]

    def watch(
        self, group: str, plural: str, namespace: str, name: str, since: int, timeout_s: float, bookmarks: bool = False
    ) -> Iterator[dict[str, Any] | None]:
        """Events after a version until the time is over; None: the connection is to be broken."""
        deadline, cuts = time.monotonic() + timeout_s, self.cuts
        if since < self.oldest:
            gone = Refused(410, f"too old resource version: {since} ({self.oldest})")
            yield {"type": "ERROR", "object": gone.status}
            return
        while not self.closed:
            with self.changed:
                fresh = [event for event in self.events if event.version > since]
                if not fresh and self.cuts == cuts:
                    self.changed.wait(min(_BOOKMARK_EVERY_S, max(deadline - time.monotonic(), 0)))
                broken = self.cuts != cuts
            for event in fresh:
                since = event.version
                if event.key[:3] == (group, plural, namespace) and name in ("", event.key.name):
                    yield {"type": event.kind, "object": event.document}
            if broken:
                yield None
                return
            if time.monotonic() >= deadline:
                return
            if bookmarks and not fresh:
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since)}}}

    def _validate(self, key: Key, document: dict[str, Any]) -> None:
        if document.get("metadata", {}).get("name") != key.name:
            raise Refused(400, "the name of the object does not match the name on the URL")
        if key.plural in self.crds and (found := problems(self.crds[key.plural], document)):
            raise Refused(422, f'{document.get("kind")} "{key.name}" is invalid: {"; ".join(found)}')

    def _store(self, kind: str, key: Key, document: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        document["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = document
        self._tell(Event(self.version, kind, key, deepcopy(document)))
        return deepcopy(document)

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self.changed.notify_all()


def _merged(document: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = deepcopy(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


class _Calls(BaseHTTPRequestHandler):
    """HTTP to calls of the store."""

    protocol_version = "HTTP/1.1"
    kubernetes: Kubernetes

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(lambda: (201, self.kubernetes.create(self._key(self._body["metadata"]["name"]), self._body)))

    def do_PUT(self) -> None:
        self._answer(lambda: (200, self.kubernetes.replace(self._key(), self._body, status=self._is_status)))

    def do_DELETE(self) -> None:
        self._answer(lambda: (200, self.kubernetes.delete(self._key())))

    def do_PATCH(self) -> None:
        self._answer(self._patch)

    def _patch(self) -> tuple[int, dict[str, Any]]:
        kind = self.headers.get("Content-Type", "")
        if kind != "application/merge-patch+json":
            # Strategic merge patches are for built-in kinds only.
            raise Refused(415, f"the body of the request was in an unsupported format ({kind})")
        return 200, self.kubernetes.patch(self._key(), self._body)

    def _get(self) -> tuple[int, dict[str, Any]] | None:
        if self._name:
            return 200, self.kubernetes.get(self._key())
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        group, plural, namespace, _ = self._key("")
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        if query.get("watch", "").lower() == "true":
            since = int(query.get("resourceVersion") or self.kubernetes.version)
            before, self.kubernetes.before_watch = self.kubernetes.before_watch, None
            if before is not None:
                before()
            bookmarks = query.get("allowWatchBookmarks", "").lower() == "true"
            seconds = float(query.get("timeoutSeconds", 300))
            self._stream(self.kubernetes.watch(group, plural, namespace, name, since, seconds, bookmarks))
            return None
        with self.kubernetes.changed:
            items = self.kubernetes.list(group, plural, namespace, name)
            return 200, {"metadata": {"resourceVersion": str(self.kubernetes.version)}, "items": items}

    def _stream(self, events: Iterator[dict[str, Any] | None]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if event is None:
                # Half an event, and the connection is gone.
                self.wfile.write(b'40\r\n{"type": "MODIF')
                self.close_connection = True
                return
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, call: Callable[[], tuple[int, dict[str, Any]] | None]) -> None:
        kubernetes = self.kubernetes
        length = int(self.headers.get("Content-Length", 0))
        self._body = json.loads(self.rfile.read(length)) if length else {}
        kubernetes.requests.append((self.command, self.path))
        try:
            self._maybe_refuse()
            if self.command != "GET" and kubernetes.before_write is not None:
                first, kubernetes.before_write = kubernetes.before_write, None
                first()
            answer = call()
        except Refused as refused:
            answer = refused.code, refused.status
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            return
        if answer is not None:
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _maybe_refuse(self) -> None:
        for refusal in self.kubernetes.refusals:
            if refusal[0] == self.command:
                self.kubernetes.refusals.remove(refusal)
                raise Refused(refusal[1], f"{self.command} is refused by this test")

    @property
    def _parts(self) -> list[str]:
        # /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL[/NAME[/status]]
        parts = urlsplit(self.path).path.strip("/").split("/")
        if len(parts) < 6 or parts[0] != "apis" or parts[3] != "namespaces":
            raise Refused(404, "the server could not find the requested resource")
        if parts[5] not in (*self.kubernetes.crds, "revisions"):
            raise Refused(404, "the server could not find the requested resource")
        return parts

    @property
    def _name(self) -> str:
        return self._parts[6] if len(self._parts) > 6 else ""

    @property
    def _is_status(self) -> bool:
        return self._parts[7:] == ["status"]

    def _key(self, name: str | None = None) -> Key:
        _, group, _, _, namespace, plural = self._parts[:6]
        return Key(group, plural, namespace, self._name if name is None else name)


@contextmanager
def api_server(kubernetes: Kubernetes) -> Iterator[str]:
    """Serve the store; the server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Calls", (_Calls,), {"kubernetes": kubernetes}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        kubernetes.close()
        server.shutdown()
        server.server_close()
