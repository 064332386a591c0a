"""Durable ``/update`` acknowledgements a second, against the same server without a log.

    python -m benchmarks.event_log [--seconds 5] [--connections 8]

Bar: with ``synchronous=FULL`` at least 0.75 of the server that acknowledges without writing, at 8 connections.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from benchmarks.load import Measured, measure, post
from events.database import open_database
from events.records import Outcome, OutcomeReceipt
from events.store import EventStore
from serving.policy_app import Policy
from serving.ports import announce, listen
from serving.routing import Routing


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


def serve(folder: Path, *, durable: bool) -> None:
    sock = listen("127.0.0.1", 0)
    url = f"sqlite:///{folder / 'events.db'}"
    store: Any = EventStore(url) if durable else NoLog()
    policy = Policy(store, Routing(open_database(url)), k=10, model_timeout_s=1.0, max_under_way=64)
    config = uvicorn.Config(policy.application(), log_config=None, access_log=False, lifespan="on")
    announce(sock, folder / "port")
    uvicorn.Server(config).run(sockets=[sock])


@contextmanager
def server(*, durable: bool) -> Iterator[tuple[int, int]]:
    """A server of its own folder and process: its pid and port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        role = ["--serve", "durable" if durable else "none", "--folder", name]
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.event_log", *role], stderr=subprocess.DEVNULL)
        try:
            while not (folder / "port").exists():
                time.sleep(0.05)
            yield process.pid, int((folder / "port").read_text())
        finally:
            process.terminate()
            process.wait()


def update(number: int) -> bytes:
    """An outcome nobody sent before; without an exposure, which costs the log the same write."""
    body = {"user_id": 17, "arm": "control", "item_id": 3, "reward": 1, "ts": 1.5, "decision_id": f"d{number:015d}"}
    return post("/update", orjson.dumps(body))


def compare(connections: int, seconds: float) -> tuple[Measured, Measured]:
    """The durable server and the one without a log, one after the other."""
    measured = []
    for durable in (True, False):
        with server(durable=durable) as (pid, port):
            measured.append(measure(pid, port, update, connections=connections, seconds=seconds))
    return measured[0], measured[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--serve", choices=["durable", "none"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.folder, durable=given.serve == "durable")
        return
    durable, none = compare(given.connections, given.seconds)
    for label, seen in (("synchronous=FULL", durable), ("no log", none)):
        print(
            f"{label:18}{seen.per_second:8.0f} acks/s   p50 {seen.p50_ms:5.2f} ms   p99 {seen.p99_ms:6.2f} ms"
            f"   CPU {seen.cpu_ms:.3f} ms"
        )
    print(f"ratio {durable.per_second / none.per_second:.2f} at {given.connections} connections (bar: >= 0.75 at 8)")


if __name__ == "__main__":
    main()
