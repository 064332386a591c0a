"""A predictor and the transformer before it as processes, for tests over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from serving.processes import ServerCommand, ServerProcess
from tests.served_model import START_S


@contextmanager
def transformer(
    folder: Path, predictor_url: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """A transformer as KServe starts one, before a predictor that need not be there."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ServerProcess(
        ServerCommand(
            name="transformer",
            argv=[
                *(sys.executable, "-m", "serving.transformer", "--model_name", "recommender"),
                *("--predictor_host", predictor_url.removeprefix("http://"), *arguments),
                *("--http_port", "0", "--port-file", str(folder / "port")),
            ],
            port_file=folder / "port",
            log_file=folder / "log",
            ready_path="/v2/health/live",
            environment=environment or {},
        )
    )
    try:
        server.wait_ready(START_S)
        yield server
    finally:
        server.stop()
