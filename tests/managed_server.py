"""A policy server with its management API, three variants' servers, and MLflow's database where one is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import exported
from events.database import open_database
from serving.policy_process import PolicyProcess
from tests.rollout_examples import SPEC, broke_guardrail
from tests.versioned_servers import spec_document, three_servers
from tests.written_rollouts import write_rollout

START_S = 60


@dataclass(frozen=True)
class Managed:
    """The server, its event log, and the variants' servers."""

    http: httpx.Client
    url: str
    events_url: str
    servers: dict[str, str]
    process: PolicyProcess

    def create(self, name: str, **changes: Any) -> dict[str, Any]:
        answer = self.http.post("/experiments", json=spec_document(name, **changes))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def act(self, name: str, action: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"/experiments/{name}/{action}", json=body or None)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def managed_server(folder: Path, events_url: str = "", tracking_uri: str = "") -> Iterator[Managed]:
    events_url = events_url or f"sqlite:///{folder / 'events.db'}"
    with three_servers() as servers, exported({"MLFLOW_TRACKING_URI": tracking_uri}):
        process = PolicyProcess(events_url, folder, model_timeout_s=2)
        try:
            process.wait_alive(START_S)
            with httpx.Client(base_url=process.url, trust_env=False, timeout=90) as http:
                yield Managed(http, process.url, events_url, servers, process)
        finally:
            process.stop()


@pytest.fixture(scope="session")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    """One for many tests, with a finished rollout in its log; each leaves it without anything that has the traffic."""
    folder = tmp_path_factory.mktemp("managed")
    engine = open_database(f"sqlite:///{folder / 'events.db'}")
    write_rollout(engine, broke_guardrail(), SPEC)
    engine.dispose()
    with managed_server(folder) as server:
        yield server
