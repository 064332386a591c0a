"""The same calls against a real MLflow server, which refuses what a database lets pass."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import TrackingError
from tracking.client import Tracker, connect, database_uri
from tracking.registry import Candidate, download, list_versions, promote, register_all, resolve, version_for
from tracking.runs import PIPELINE_RUN, find_runs, log_arrays, log_metrics, read_arrays, resumed_run

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:Hint. Inferred schema")]

_READY_WITHIN_S = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Tracker]:
    """An MLflow server of this test's own; every process of it is gone afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", database_uri(tmp_path), "--artifacts-destination", str(tmp_path / "artifacts")]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *stores], stdout=log, stderr=log, start_new_session=True)
    try:
        yield _connected(f"http://127.0.0.1:{port}", process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _connected(uri: str, process: subprocess.Popen[bytes]) -> Tracker:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            return connect(uri)
        except TrackingError:
            assert process.poll() is None, "the MLflow server died; see server.log"
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_train_register_promote_and_download(
    server: Tracker,
    train_on: Callable[[Tracker, str], str],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # How much MLflow says is settled when a process imports it, which another test may have done in its own way.
    caplog.set_level(logging.WARNING, "mlflow")
    runs = {kind: train_on(server, kind) for kind in ("popularity", "ease")}
    for run_id in runs.values():
        with resumed_run(server, run_id):
            log_metrics(server, run_id, {"ndcg_at_10": 0.25, "mrr_at_10": float("nan")})
            log_arrays(server, run_id, {"user_id": np.array(["a", "b"]), "ndcg": np.array([0.5, np.nan])})
    candidates = [Candidate(run_id, kind) for kind, run_id in runs.items()]
    with pytest.raises(TrackingError, match=r"alias 'v1' could not be set .*nothing was changed"):
        register_all(server, "recommender", candidates, {"champion": runs["ease"], "v1": runs["ease"]})
    assert list_versions(server, "recommender") == []
    assert version_for(server, "recommender") is None

    first, second = register_all(
        server, "recommender", candidates, {"champion": runs["popularity"], "challenger": runs["ease"]}
    )
    assert promote(server, "recommender", second.version).aliases == ("champion",)
    assert resolve(server, "models:/recommender@previous").uri == first.uri
    folder = download(server, "models:/recommender/Production")
    assert json.loads((folder / "model.json").read_text()) == {"model": "ease"}
    np.testing.assert_array_equal(read_arrays(server, runs["ease"])["ndcg"], [0.5, np.nan])
    assert find_runs(server, {PIPELINE_RUN: "none"}) == []
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
