"""What every registered recommender answers behind KServe equals what it answers directly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serving.processes import ServerCommand, ServerProcess
from tests.served_model import START_S
from tests.small_interactions import random_interactions
from wrappers.artifact import load_wrapper
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import MODELS, model

NAMES = [name for name in sorted(MODELS) if issubclass(model(name), RecommenderWrapper)]
REQUESTS = [
    {"user_id": 1, "k": 5},
    {"user_id": "2", "k": 3, "exclude_items": [100, 101]},
    {"user_id": "nobody", "k": 4},
    {"user_id": 3, "k": 1000},
    {"user_id": 4},
]


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    interactions = random_interactions()
    for name in NAMES:
        trained = model(name)()
        assert isinstance(trained, RecommenderWrapper)
        trained.fit(interactions).save(tmp_path / "artifacts" / name)
    return tmp_path / "artifacts"


@pytest.fixture
def url(artifacts: Path, tmp_path: Path) -> Iterator[str]:
    server = ServerProcess(
        ServerCommand(
            name="server of every model",
            argv=[sys.executable, "-m", "tests.every_model_server", str(artifacts), str(tmp_path / "port")],
            port_file=tmp_path / "port",
            log_file=tmp_path / "log",
            ready_path=f"/v2/models/{NAMES[-1]}/ready",
            environment={},
        )
    )
    try:
        server.wait_ready(START_S)
        yield server.url
    finally:
        server.stop()


@pytest.mark.long
def test_kserve_answers_like_every_wrapper(artifacts: Path, url: str) -> None:
    """One test, so that the models are trained and the server is started once, whatever process runs it."""
    differing = []
    for name in NAMES:
        direct = load_wrapper(artifacts / name).predict(REQUESTS)
        together = _posted(url, name, REQUESTS)
        alone = [answer for request in REQUESTS for answer in _posted(url, name, [request])]
        expected = [_rounded(answer) for answer in direct]
        if not [_rounded(one) for one in together] == [_rounded(one) for one in alone] == expected:
            differing.append(name)
    assert differing == []


def _posted(url: str, name: str, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = httpx.post(f"{url}/v1/models/{name}:predict", json={"instances": instances}, timeout=30)
    assert answer.status_code == 200, f"{name}: {answer.text}"
    return answer.json()["predictions"]


def _rounded(answer: dict[str, Any]) -> dict[str, Any]:
    """Scores as JSON carries a float32."""
    return {**answer, "items": [{**item, "score": float(np.float32(item["score"]))} for item in answer["items"]]}
