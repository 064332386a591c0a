"""``POST /recommendations`` over ten million items, with the features of a million users in Redis.

    python -m benchmarks.recommendations_at_scale [--items 10000000] [--users 1000000] [--seconds 60] [--rate 100]

A policy server with a durable event log, a model server and a Redis, each a process of its own, over HTTP, open loop.
The model is ``logreg`` on what ``ials`` (64 numbers) retrieves in two stages; it is trained on real or synthetic
ratings, and repeated with noise to the size wanted (benchmarks/tiled_catalogue.py), so that the same arguments make the
same catalogue. Every request is of a user drawn at random, so that nothing is remembered from before.

Bars: no error, p99 below 100 ms at 100 requests a second, recall@10 of the candidates at least .95 against scoring all
items, every list's exposure in the log. ``--folder`` keeps what was built for another run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import psutil

from benchmarks.open_loop import Seen, drive
from benchmarks.tiled_catalogue import tiled
from core.settings import load_settings
from events.aggregate import count_exposures
from events.database import open_database
from events.rollouts import Route, put_route
from feature_repo.packed import write_packed
from feature_repo.redis_client import BULK_TIMEOUT_S, connect
from serving.lean_http import LeanHttp
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.processes import ServerCommand, ServerProcess, poll
from serving.redis_process import redis_for

EXPERIMENT = "scale"
CEILING_MS, FLOOR = 100.0, 0.95
_START_S = 900.0
_FIGURES, _ROWS = "figures.json", "user_rows.npy"


class Stack(NamedTuple):
    """What is measured.

    Attributes:
        port: Of the policy server.
        processes: By what they are.
        events: The event log.
        redis_mb: What the features take in Redis.
        loaded_s: From the model server's start to its readiness.
    """

    port: int
    processes: dict[str, psutil.Process]
    events: str
    redis_mb: float
    loaded_s: float


def build(folder: Path, *, n_users: int, n_items: int, data: Path | None) -> None:
    """Make the model and the features, in a process of their own: what it takes is given back when it ends."""
    made = tiled(folder, n_users=n_users, n_items=n_items, data=data)
    np.save(folder / _ROWS, made.user_rows)
    figures = {**made._asdict(), "user_rows": None, "peak_mb": psutil.Process().memory_info().rss / 1e6}
    (folder / _FIGURES).write_text(json.dumps(figures), encoding="utf-8")


@contextmanager
def running(folder: Path, figures: dict[str, Any]) -> Iterator[Stack]:
    """Everything started and loaded."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        own = Path(name)
        redis = stack.enter_context(redis_for(load_settings(redis_url=""), own))
        rows = np.load(folder / _ROWS, mmap_mode="r")
        with connect(redis.url, timeout_s=BULK_TIMEOUT_S) as client:
            before = client.info("memory")["used_memory"]
            write_packed(client, figures["version"], [str(1 + user) for user in range(len(rows))], rows, layout="{}")
            redis_mb = (client.info("memory")["used_memory"] - before) / 1e6
        start = time.perf_counter()
        served = ServerProcess(
            ServerCommand(
                name="model server",
                argv=[
                    *(sys.executable, "-m", "serving.model_server", "--model-uri", str(folder / "many")),
                    *("--port", "0", "--port-file", str(own / "model.port")),
                ],
                port_file=own / "model.port",
                log_file=own / "model.log",
                ready_path="/readyz",
                environment={"REDIS_URL": redis.url},
            )
        )
        stack.callback(served.stop)
        served.wait_ready(_START_S)
        loaded_s = time.perf_counter() - start
        events = f"sqlite:///{own / 'events.db'}"
        spec = {"name": EXPERIMENT, "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        put_route(open_database(events), Route(EXPERIMENT, spec, 0, 0, served.url, UNREGISTERED))
        policy = PolicyProcess(events, own)
        stack.callback(policy.stop)
        policy.wait_alive(_START_S)
        processes = {name: psutil.Process(pid) for name, pid in (("policy", policy.pid), ("model", served.pid))}
        yield Stack(int(policy.url.rsplit(":", 1)[1]), processes, events, redis_mb, loaded_s)


async def load(port: int, n_users: int, *, rate: float, seconds: float, seed: int, explain: bool) -> tuple[Seen, int]:
    """Requests of users at random, and how many of the lists were made with the user's features."""
    users = np.random.default_rng(seed).integers(1, n_users + 1, size=int(rate * seconds)).tolist()
    http, with_features = LeanHttp(), 0

    async def send(number: int) -> int:
        nonlocal with_features
        body = {"user_id": users[number], "context": {"session_id": f"s{number}"}, "include_explanation": explain}
        answer = await http.send(f"http://127.0.0.1:{port}", "/recommendations", orjson.dumps(body))
        document = orjson.loads(answer.body)
        with_features += document.get("features") == "store" and len(document["items"]) == 10
        return answer.status

    try:
        return await drive(send, rate=rate, seconds=seconds), with_features
    finally:
        http.close()


def measured(stack: Stack, given: argparse.Namespace) -> list[str]:
    """Print the figures of the load; names of the bars missed."""
    asyncio.run(load(stack.port, given.users, rate=given.rate / 4, seconds=4, seed=1, explain=False))
    before = {name: sum(process.cpu_times()[:2]) for name, process in stack.processes.items()}
    seen, full = asyncio.run(
        load(stack.port, given.users, rate=given.rate, seconds=given.seconds, seed=2, explain=False)
    )
    count = seen.statuses.total()
    cpu = {
        name: 1000 * (sum(process.cpu_times()[:2]) - before[name]) / count for name, process in stack.processes.items()
    }
    memory = {name: process.memory_info().rss / 1e9 for name, process in stack.processes.items()}
    p50, p95, p99 = (seen.answered_within(percent) for percent in (50, 95, 99))
    late = float(np.percentile(seen.late_ms, 99))
    print(f"{given.rate:g} requests/s, open loop, {given.seconds:g} s, sent up to {late:.1f} ms late (p99)")
    print(f"p50 {p50:.2f}  p95 {p95:.2f}  p99 {p99:.2f} ms (bar: p99 < {CEILING_MS:g}), errors {seen.errors} (bar: 0)")
    print(f"whole lists made with the user's features: {full:,} of {count:,}")
    print("CPU per request: " + ", ".join(f"{name} server {ms:.2f} ms" for name, ms in cpu.items()))
    print("memory: " + ", ".join(f"{name} server {gb:.2f} GB" for name, gb in memory.items()))
    reasons, _ = asyncio.run(
        load(stack.port, given.users, rate=given.rate / 2, seconds=given.seconds / 4, seed=3, explain=True)
    )
    print(
        f"with explanations, {given.rate / 2:g} requests/s: p50 {reasons.answered_within(50):.2f}  p99 "
        f"{reasons.answered_within(99):.2f} ms, errors {reasons.errors}"
    )
    engine = open_database(stack.events)
    lists = int(given.rate) + seen.statuses[200] + reasons.statuses[200]
    kept = poll(lambda: count_exposures(engine, EXPERIMENT) == lists, 10)
    print(f"exposures on disk: {count_exposures(engine, EXPERIMENT):,} of {lists:,} lists")
    held = {"errors": seen.errors == 0, "p99": p99 < CEILING_MS, "features": full == count, "exposures": kept}
    return [name for name, good in held.items() if not good]


def main() -> int:
    """Print the figures; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=10_000_000)
    options.add_argument("--users", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=100.0)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--folder", type=Path, help="where what is built is kept, and taken from if it is there")
    options.add_argument("--build", action="store_true", help="only build, into --folder")
    given = options.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if given.build:
            build(folder, n_users=given.users, n_items=given.items, data=given.data)
            return 0
        start = time.perf_counter()
        if not (folder / _FIGURES).exists():
            folder.mkdir(parents=True, exist_ok=True)
            sizes = ("--items", str(given.items), "--users", str(given.users), "--folder", str(folder))
            data = ("--data", str(given.data)) if given.data else ()
            subprocess.run([sys.executable, "-m", __spec__.name, "--build", *sizes, *data], check=True)
        figures = json.loads((folder / _FIGURES).read_text(encoding="utf-8"))
        size = sum(path.stat().st_size for path in (folder / "many").iterdir()) / 1e9
        print(f"{given.items:,} items, {given.users:,} users; made in {time.perf_counter() - start:.0f} s")
        print(f"index: {figures['found_by']}, built in {figures['index_s']:.0f} s; artifact {size:.2f} GB")
        print(f"recall@10 of the candidates against scoring all: {figures['recall']:.3f} (bar: >= {FLOOR})")
        running_now = stack.enter_context(running(folder, figures))
        print(f"features in Redis: {running_now.redis_mb:,.0f} MB; model server ready in {running_now.loaded_s:.0f} s")
        missed = measured(running_now, given) + (["recall"] if figures["recall"] < FLOOR else [])
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
