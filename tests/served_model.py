"""Model servers as processes, for tests over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from serving.processes import ServerCommand, ServerProcess

START_S = 60
V1 = "/v1/models/recommender:predict"


def model_command(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> ServerCommand:
    return ServerCommand(
        name="model server",
        argv=[
            *(sys.executable, "-m", "serving.model_server", *arguments),
            *("--port", "0", "--port-file", str(folder / "port")),
        ],
        port_file=folder / "port",
        log_file=folder / "log",
        ready_path="/v2/models/recommender/ready",
        environment=environment or {},
    )


@contextmanager
def model_server(folder: Path, *arguments: str) -> Iterator[ServerProcess]:
    server = ServerProcess(model_command(folder, *arguments))
    try:
        server.wait_ready(START_S)
        yield server
    finally:
        server.stop()
