"""Policy servers with real model servers behind them, and servers that misbehave. Conftests import the fixtures."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from events.database import open_database, reading
from events.rollouts import Route, put_route
from events.schema import EXPOSURES
from experiments.assignment import bucket, rollout_variant
from serving.model_source import UNREGISTERED
from serving.processes import ServerCommand, ServerProcess, poll
from tests.small_registry import small_interactions
from wrappers.registry import model

START_S = 60
MODEL_TIMEOUT_S = "0.3"


@dataclass(frozen=True)
class Policy:
    """A running policy server, its log, and the model servers it may send users to."""

    http: httpx.Client
    url: str
    process: ServerProcess
    models: dict[str, str]
    names: Iterator[int]

    @classmethod
    def at(cls, process: ServerProcess, url: str, models: dict[str, str]) -> Policy:
        """A server that runs on an event log."""
        return cls(
            httpx.Client(base_url=process.url, trust_env=False, timeout=30), url, process, models, itertools.count()
        )

    def route(self, **changes: Any) -> Route:
        """Put a route of a fresh experiment in force."""
        name = f"exp-{next(self.names)}"
        spec = {"name": name, "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        route = Route(name, spec, 50, 0, self.models["popularity"], UNREGISTERED, self.models["ease"], UNREGISTERED)
        stored = put_route(open_database(self.url), replace(route, **changes))
        answer = self.http.post("/routes/refresh")
        assert (answer.status_code, answer.json()["revision"]) == (200, stored.revision)
        return stored

    def choose(self, user_id: int | str, **query: Any) -> dict[str, Any]:
        answer = self.http.get("/choose", params={"user_id": user_id, **query})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def update(self, shown: dict[str, Any], user: int | str, /, **changes: Any) -> httpx.Response:
        body = {
            "user_id": user,
            "arm": shown["arm"],
            "item_id": shown["items"][0]["item_id"],
            "reward": 1,
            "decision_id": shown["decision_id"],
        }
        return self.http.post("/update", json={**body, **changes})

    def exposure(self, decision_id: str) -> dict[str, Any]:
        """The exposure as the log holds it; committed before this returns."""
        assert poll(lambda: self._exposure(decision_id) is not None, 10)
        return self._exposure(decision_id) or {}

    def _exposure(self, decision_id: str) -> dict[str, Any] | None:
        with reading(open_database(self.url)) as connection:
            query = select(EXPOSURES).where(EXPOSURES.c.decision_id == decision_id)
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)


@contextmanager
def policy_server(folder: Path, url: str, *arguments: str) -> Iterator[ServerProcess]:
    server = ServerProcess(
        ServerCommand(
            name="policy server",
            argv=[
                *(sys.executable, "-m", "serving.policy_server", "--events", url, *arguments),
                *("--port", "0", "--port-file", str(folder / "policy.port")),
            ],
            port_file=folder / "policy.port",
            log_file=folder / "policy.log",
            ready_path="/healthz",
        )
    )
    try:
        server.wait_ready(START_S)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def model_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two real model servers by the name of their model."""
    folder = tmp_path_factory.mktemp("models")
    with ExitStack() as stack:
        servers = {}
        for name in ("popularity", "ease"):
            model(name)().fit(small_interactions()).save(folder / name)
            port_file = folder / f"{name}.port"
            servers[name] = ServerProcess(
                ServerCommand(
                    name=name,
                    argv=[
                        *(sys.executable, "-m", "serving.model_server", "--model-uri", str(folder / name)),
                        *("--port", "0", "--port-file", str(port_file)),
                    ],
                    port_file=port_file,
                    log_file=folder / f"{name}.log",
                    ready_path="/readyz",
                )
            )
            stack.callback(servers[name].stop)
        for server in servers.values():
            server.wait_ready(START_S)
        yield {name: server.url for name, server in servers.items()}


@contextmanager
def running_policy(folder: Path, models: dict[str, str]) -> Iterator[Policy]:
    url = f"sqlite:///{folder / 'events.db'}"
    with (
        policy_server(folder, url, "--model-timeout-s", MODEL_TIMEOUT_S) as process,
        httpx.Client(base_url=process.url, trust_env=False, timeout=30) as http,
    ):
        yield Policy(http, url, process, models, itertools.count())


@pytest.fixture(scope="module")
def policy(model_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    with running_policy(tmp_path_factory.mktemp("policy"), model_urls) as running:
        yield running


@pytest.fixture
def own_policy(model_urls: dict[str, str], tmp_path: Path) -> Iterator[Policy]:
    """A server of the test's own, to be maltreated."""
    with running_policy(tmp_path, model_urls) as running:
        yield running


def user_of(variant: str, experiment: str, percent: int = 50) -> str:
    """Some user the experiment assigns to a variant."""
    users = map(str, itertools.count(100))
    return next(user for user in users if rollout_variant(bucket(experiment, user), percent) == variant)


def metric(policy: Policy, name: str) -> float:
    lines = policy.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@contextmanager
def server_that(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that does one thing to every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def answer_with(status: str, body: str) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        connection.sendall(f"{head}connection: close\r\n\r\n{body}".encode())

    return behave
