"""``uvicorn serving.main:app`` as people start it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.main import ConfiguredModel
from serving.processes import ServerCommand, ServerProcess
from tests.called_application import call
from tests.served_model import START_S
from tests.small_registry import register_small_models, small_interactions


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Version 1 is popularity and champion, version 2 is ease and challenger."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", "")
        folder = tmp_path_factory.mktemp("registry")
        yield register_small_models(folder, {"popularity": {}, "ease": {}}, small_interactions())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uvicorn(folder: Path, registry: str, stage: str, *arguments: str, **environment: str) -> ServerProcess:
    port = free_port()
    settings = {"MLFLOW_TRACKING_URI": registry, "MLFLOW_MODEL_NAME": "recommender", "MLFLOW_MODEL_STAGE": stage}
    server = ServerProcess(
        ServerCommand(
            name="uvicorn",
            argv=[
                *(sys.executable, "-m", "uvicorn", "serving.main:app", "--host", "127.0.0.1"),
                *("--port", str(port), *arguments),
            ],
            port_file=folder / "port",
            log_file=folder / "log",
            ready_path="/readyz",
            environment={**settings, **environment},
        )
    )
    (folder / "port").write_text(str(port), encoding="ascii")
    return server


def test_a_version_by_number_with_logs_as_json(registry: str, tmp_path: Path) -> None:
    # KServe would take --http for its own --http_port, and end the process.
    server = uvicorn(tmp_path, registry, "2", "--http", "httptools", SCREENTEST_LOG_FORMAT="json")
    try:
        server.wait_ready(START_S)
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
            assert http.get("/readyz").json() == {"ready": True, "model": "recommender", "model_version": "2"}
            assert http.get("/v2/models/recommender").json()["versions"] == ["2"]
            answer = http.post("/invoke", json={"user_id": 100, "k": 2})
            assert (len(answer.json()["items"]), answer.headers["x-model-version"]) == (2, "2")
            assert (
                http.post("/v1/models/recommender:predict", json={"instances": [{"user_id": 100}]}).status_code == 200
            )
    finally:
        server.stop()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    ours = [json.loads(line) for line in lines if line.startswith("{")]
    assert any(line["message"] == "model 'recommender' version 2" for line in ours)
    access = [line["message"] for line in ours if line["logger"] == "uvicorn.access"]
    assert any('"POST /invoke HTTP/1.1" 200' in line for line in access)


@pytest.mark.parametrize(
    ("stage", "settings", "reason"),
    [("9", {}, "recommender"), ("nobody", {}, "nobody"), ("champion", {"SCREENTEST_K": "none"}, "k == 'none'")],
)
def test_what_cannot_be_served_ends_it_with_one_line(
    registry: str, tmp_path: Path, stage: str, settings: dict[str, str], reason: str
) -> None:
    server = uvicorn(tmp_path, registry, stage, **settings)
    try:
        assert server._process.wait(START_S) == 3
    finally:
        server.stop()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert reason in log
    assert "Application startup failed" in log
    assert "Traceback" not in log


def test_nothing_happens_at_import() -> None:
    code = (
        "import sys, threading; import serving.main; "
        "print(sorted({'kserve', 'mlflow', 'torch', 'redis', 'pandas'} & set(sys.modules)), threading.active_count())"
    )
    environment = {**os.environ, "MLFLOW_MODEL_STAGE": "no-such", "SCREENTEST_K": "none"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("[")
    assert "kserve" not in found.stdout
    assert "mlflow" not in found.stdout


def test_a_server_that_runs_no_lifespan_is_told_what_to_do() -> None:
    answer = call(ConfiguredModel(), "GET", "/readyz")
    assert (answer.status_code, "--lifespan on" in answer.json()["error"]) == (503, True)
