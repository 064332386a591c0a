"""The served model's status: MLflow's champion and challenger, who serves what, and the server's own counters."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.errors import TrackingError
from core.settings import load_settings
from serving.live_counters import bucket_quantile, live_counters
from serving.management.registry_document import registry_document
from serving.metrics import PolicyMetrics
from tests.managed_server import Managed, managed_server
from tests.mlflow_on_sqlite import empty_database as empty_database
from tests.mlflow_on_sqlite import environment_put_back as environment_put_back
from tests.mlflow_on_sqlite import tracker as tracker
from tests.versioned_servers import version_server
from tracking.client import Tracker
from tracking.registry import MODEL_KIND
from tracking.runs import log_metrics, new_run


@pytest.fixture
def tracking_uri(tracker: Tracker) -> str:
    """A champion and a challenger, each of a run with metrics and provenance."""
    tracker.client.create_registered_model("recommender")
    for alias, kind in (("champion", "popularity"), ("challenger", "ease")):
        params = {"data.sha256": "ab" * 32, "seed": "42", "reg": 500}
        with new_run(tracker, kind, params=params) as run_id:
            log_metrics(tracker, run_id, {"ndcg_at_10": 0.29, "undefined": math.nan})
        source = f"{tracker.client.get_run(run_id).info.artifact_uri}/model"
        made = tracker.client.create_model_version("recommender", source, run_id, tags={MODEL_KIND: kind})
        tracker.client.set_registered_model_alias("recommender", alias, made.version)
    return tracker.uri


def status(managed: Managed) -> dict[str, Any]:
    answer = managed.http.get("/model/status")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_everything_there_is(tracking_uri: str, tmp_path: Path) -> None:
    with managed_server(tmp_path, tracking_uri=tracking_uri) as managed:
        before = status(managed)
        assert before["serving"] == {"experiment": None, "revision": None, "percent": None, "variants": []}
        assert before["counters"]["decisions"] == 0
        assert before["counters"]["latency_ms"] == {"p50": None, "p95": None}
        managed.create("status")
        managed.act("status", "start", servers=managed.servers)
        for user in range(20):
            managed.http.get("/choose", params={"user_id": user})
        found = status(managed)
    registry = found["registry"]
    assert (registry["reachable"], registry["error"], registry["versions"]) == (True, None, 2)
    champion, challenger = registry["champion"], registry["challenger"]
    assert (champion["model"], champion["uri"]) == ("popularity", "models:/recommender/1")
    assert (challenger["model"], challenger["metrics"]["ndcg_at_10"]) == ("ease", 0.29)
    assert challenger["metrics"]["undefined"] is None
    assert champion["provenance"]["data.sha256"] == "ab" * 32
    assert champion["provenance"]["seed"] == "42"
    assert "code.version" in champion["provenance"]
    assert "reg" not in champion["provenance"]
    assert found["serving"]["experiment"] == "status"
    assert [one["ready"] for one in found["serving"]["variants"]] == [True] * 3
    counters = found["counters"]
    assert (counters["decisions"], sum(counters["by_arm"].values()), counters["model_errors"]) == (20, 20, 0)
    assert 0 < counters["latency_ms"]["p50"] <= counters["latency_ms"]["p95"]


@pytest.mark.long
def test_an_mlflow_that_never_answers_says_so_and_no_more(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with managed_server(tmp_path, tracking_uri=address) as managed:
            found = status(managed)
            assert found["registry"]["reachable"] is False
            assert found["registry"]["error"] == "registry: no answer within 8 s; try again later"
            assert found["registry"]["champion"] is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9", "MLflow at http://127.0.0.1:9 cannot be reached"),
        ("sqlite:////nowhere/mlflow.db", "/nowhere/mlflow.db does not exist"),
    ],
)
def test_an_mlflow_that_is_not_there(uri: str, said: str) -> None:
    with pytest.raises(TrackingError, match=said):
        registry_document(load_settings(mlflow_tracking_uri=uri))


def test_no_mlflow_and_a_server_that_is_gone(tmp_path: Path) -> None:
    with managed_server(tmp_path) as managed, version_server("3") as bold:
        managed.create("status")
        managed.act("status", "start", servers={**managed.servers, "bold": bold})
        registry = status(managed)["registry"]
        assert (registry["reachable"], "set MLFLOW_TRACKING_URI" in registry["error"]) == (False, True)
        managed.act("status", "pause")
        route = managed.http.get("/routes").json()
        assert route["servers"]["bold"]["url"] == bold
        gone = bold
    with managed_server(tmp_path) as managed:
        ready = {one["variant"]: one for one in status(managed)["serving"]["variants"]}
    assert (ready["bold"]["url"], ready["bold"]["ready"]) == (gone, False)
    assert "is not ready" in ready["bold"]["error"]


@pytest.mark.parametrize(
    ("cumulative", "share", "expected"),
    [
        ([], 0.5, None),
        ([(0.001, 0), (math.inf, 0)], 0.5, None),
        ([(0.001, 4), (0.002, 4), (math.inf, 4)], 0.5, 0.5),
        ([(0.001, 0), (0.002, 10), (math.inf, 10)], 0.95, 1.95),
        ([(0.001, 5), (0.002, 10), (math.inf, 10)], 0.5, 1.0),
        ([(0.001, 1), (math.inf, 10)], 0.95, None),
    ],
)
def test_quantiles_of_a_histogram(cumulative: list[tuple[float, int]], share: float, expected: float | None) -> None:
    assert bucket_quantile(cumulative, share) == expected


def test_counters_are_summed_over_labels() -> None:
    metrics = PolicyMetrics(lambda: 0)
    for arm, seconds in (("plain", 0.003), ("plain", 0.003), ("bold", 0.003), ("bold", 0.02)):
        metrics.note_list("e", arm, None, seconds)
    metrics.model_errors.labels("bold", "late").inc()
    metrics.model_errors.labels("plain", "failed").inc(2)
    found = live_counters(metrics.registry)
    assert found["by_arm"] == {"bold": 2, "plain": 2}
    assert (found["decisions"], found["model_errors"], found["shed"]) == (4, 3, 0)
    assert found["latency_ms"]["p50"] == pytest.approx(2 + 2 * 2 / 3, abs=0.01)
    assert 15 <= found["latency_ms"]["p95"] <= 20
    assert live_counters(CollectorRegistry())["decisions"] == 0
