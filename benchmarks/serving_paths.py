"""The model server's lean route and its V1 route, against KServe's default V1 and a bare ASGI echo; a trivial model.

    python -m benchmarks.serving_paths [--seconds 5] [--connections 8]

Bars: lean at least 0.35 of the bare application's and 3.5 times default V1's requests a second; our V1 at most 0.8 of
default V1's CPU per request.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import Measured, measure, post

INSTANCE = b'{"user_id":17,"k":10}'
V1 = post("/v1/models/recommender:predict", b'{"instances":[%s]}' % INSTANCE)
LEAN = post("/recommend", INSTANCE)
#: Name, role of the server, request.
CASES = (
    ("bare ASGI echo", "bare", LEAN),
    ("lean route", "ours", LEAN),
    ("our V1", "ours", V1),
    ("KServe's default V1", "default", V1),
)


def pinned_model() -> Any:
    """A model that costs nothing: the same ten items for everyone."""
    from serving.kserve_model import PinnedModel
    from wrappers.popularity import Popularity

    answer = [
        {
            "user_id": 17,
            "items": [{"item_id": n, "title": f"Movie {n}", "score": 0.5} for n in range(10)],
            "cold": False,
        }
    ]

    class Trivial(Popularity):
        def warm_up(self) -> None:
            pass

        def predict(self, input_data: Any) -> list[dict[str, Any]]:
            return answer

    return PinnedModel("recommender", "1", Trivial())


def serve_bare(folder: Path) -> None:
    """The cheapest application there is, on the same uvicorn."""
    import uvicorn

    from serving.ports import announce, listen

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(message["body"]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": message["body"]})

    sock = listen("127.0.0.1", 0)
    announce(sock, folder / "port")
    config = uvicorn.Config(echo, log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[sock])


def serve_ours(folder: Path) -> None:
    """The model server as it is."""
    from serving.kserve_server import LeanServer, pinned_application
    from serving.logs import log_to_stderr
    from serving.ports import announce, listen

    log_to_stderr()
    model = pinned_model()
    model.load()
    sock = listen("127.0.0.1", 0)
    announce(sock, folder / "port")
    LeanServer(pinned_application(model)).run(sock)


def serve_default(folder: Path) -> None:
    """KServe as its documentation starts it; only gRPC is off."""
    import kserve

    from serving.ports import announce, listen

    model = pinned_model()
    model.load()
    # KServe binds its port itself: one that is free now.
    with listen("127.0.0.1", 0) as sock:
        port = announce(sock, folder / "port")
    kserve.ModelServer(http_port=port, enable_grpc=False).start([model])


SERVE = {"bare": serve_bare, "ours": serve_ours, "default": serve_default}


@contextmanager
def server(role: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own, ready: its pid and port."""
    with tempfile.TemporaryDirectory() as name:
        arguments = ["--serve", role, "--folder", name]
        with open(Path(name) / "log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.serving_paths", *arguments], stdout=log, stderr=log
            )
        try:
            yield process.pid, _wait_for(Path(name) / "port")
        finally:
            process.terminate()
            process.wait()


def _wait_for(port_file: Path) -> int:
    from serving.processes import answers, poll

    def ready() -> bool:
        # Every server answers something on /; the bare one echoes.
        return port_file.exists() and answers("127.0.0.1", int(port_file.read_text()), "/metrics")

    if not poll(ready, 60):
        raise TimeoutError(f"no server after 60 s: {(port_file.parent / 'log').read_text()}")
    return int(port_file.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--serve", choices=SERVE, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        SERVE[given.serve](given.folder)
        return
    seen: dict[str, Measured] = {}
    for label, role, request in CASES:
        with server(role) as (pid, port):
            seen[label] = measure(
                pid, port, lambda _, same=request: same, connections=given.connections, seconds=given.seconds
            )
        one = seen[label]
        print(f"{label:20}{one.per_second:8.0f} requests/s   p50 {one.p50_ms:5.2f} ms   CPU {one.cpu_ms:.3f} ms")
    bare, lean, ours, default = (seen[label] for label, _, _ in CASES)
    print(f"lean / bare        {lean.per_second / bare.per_second:6.2f} requests/s (bar: >= 0.35)")
    print(f"lean / default V1  {lean.per_second / default.per_second:6.2f} requests/s (bar: >= 3.5)")
    print(f"our V1 / default   {ours.cpu_ms / default.cpu_ms:6.2f} CPU per request (bar: <= 0.8)")


if __name__ == "__main__":
    main()
