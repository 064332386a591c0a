"""``screentest worker`` and ``retrain`` as processes: a real training run, and live traffic in a real MLflow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.retraining import command_words
from core.errors import ConfigError, ScreentestError
from core.settings import child_environment
from events.database import opened
from events.live_traffic import JOB
from events.records import Exposure, Outcome
from events.retrain_requests import load_retrain, request_retrain
from events.store import EventStore
from events.tables import latest_rows
from events.worker_jobs import load_job
from loaders.export import write_movielens_csv
from monitoring.alive import trouble
from pipelines.compile import compiled_path
from pipelines.local_runner import check_arguments
from serving.processes import poll
from tests.events.conftest import postgres_url
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions
from tracking.client import Tracker, connect
from tracking.registry import CHALLENGER, CHAMPION, version_for
from tracking.runs import find_runs
from tracking.traffic_days import STRATEGY
from wrappers.retrain_arguments import RetrainArguments

__all__ = ["postgres_url"]
WAIT_S = 60


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words]


@contextmanager
def running(folder: Path, environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command("worker", *words), stderr=log, env=child_environment(environment))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_what_a_worker_starts_is_understood_and_answered_as_it_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training run itself, which takes half a minute, is tested below."""
    given: list[Any] = []
    outputs = {
        "champion": "models:/r/1",
        "challenger": "",
        "reason": "none passes",
        "dataset": "/x",
        "leaderboard": "/y",
    }

    def instead(name: str, arguments: dict[str, Any], root: Path) -> dict[str, str]:
        check_arguments(compiled_path(name), arguments)
        given.extend((name, arguments, root))
        return outputs

    monkeypatch.setattr("cli.pipeline.run_here", instead)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////x/mlflow.db")
    monkeypatch.setenv("DATA_LOADER_TYPE", "synthetic")
    asked = RetrainArguments.parse({"models": ["ease", "logreg"], "configs": {"ease": {"reg": 10.0}}, "seed": 7})
    words = command_words(asked.model_dump(), tmp_path)
    assert words[:3] == command()
    told = CliRunner().invoke(app, words[3:])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == outputs
    name, arguments, root = given
    assert (name, root) == ("training", tmp_path)
    wanted = {
        "models": ["ease", "logreg"],
        "configs": {"ease": {"reg": 10.0}},
        "seed": 7,
        "pair": "",
        "loader": "synthetic",
        "features": True,
        "tracking_uri": "sqlite:////x/mlflow.db",
    }
    assert {name: arguments[name] for name in wanted} == wanted


@pytest.mark.long
def test_a_request_becomes_a_version_that_the_gate_has_judged(tmp_path: Path, postgres_url: str) -> None:
    tracking_uri = register_small_models(tmp_path / "mlflow", {"popularity": {}, "item_knn": {}}, small_interactions())
    write_movielens_csv(small_interactions(), tmp_path / "ratings")
    with opened(postgres_url) as engine:
        request_retrain(engine, {"models": ["ease"], "configs": {"ease": {"reg": 10.0}}}, requested_by="ann")
        environment = {
            "MLFLOW_TRACKING_URI": tracking_uri,
            "DATA_SOURCE_PATH": str(tmp_path / "ratings"),
            "SCREENTEST_RUNS_DIR": str(tmp_path / "runs"),
        }
        done = subprocess.run(
            command("worker", "--events", postgres_url, "--once", "--jobs", "retrain"),
            env=child_environment(environment),
            stderr=subprocess.PIPE,
            text=True,
            timeout=250,
        )
        assert done.returncode == 0, done.stderr
        request = load_retrain(engine, 1)
        assert request is not None
        assert request.state == "done", request.message
        tracker = connect(tracking_uri)
        champion, challenger = (version_for(tracker, MODEL_NAME, alias) for alias in (CHAMPION, CHALLENGER))
        assert champion is not None
        assert challenger is not None
        assert (champion.model, champion.version, challenger.model, challenger.version) == (
            "popularity",
            "1",
            "ease",
            "3",
        )
        assert (request.result["champion"], request.result["challenger"]) == (champion.uri, challenger.uri)
        assert request.message.startswith("ease passes: ndcg@10")
        # Its progress was logged, without the password of the database.
        assert "retrain request 1: ✓ train-model" in done.stderr
        assert "hush" not in done.stderr
        # The steps have told the database what they read and made.
        models = {row["version"]: row for row in latest_rows(engine, "models", limit=9)}
        assert models["3"]["metrics"]["ndcg_at_10"] > 0.1
        assert models["3"]["provenance"]["data.source"] == str(tmp_path / "ratings")
        assert len(latest_rows(engine, "users", limit=1000)) == 60
        assert len(latest_rows(engine, "items", limit=1000)) == 40


def test_a_worker_shows_traffic_in_mlflow_until_it_is_told_to_stop(
    tmp_path: Path, postgres_url: str, tracker: Tracker
) -> None:
    url, environment = postgres_url, {"MLFLOW_TRACKING_URI": tracker.uri, "SCREENTEST_EVENTS_URL": postgres_url}
    alive = tmp_path / "alive"
    jobs = ("--jobs", "aggregates,checks,retention", "--alive-file", str(alive))
    store = EventStore(url)
    with opened(url) as engine, running(tmp_path, environment, *jobs) as process:
        log = tmp_path / "worker.log"
        assert poll(lambda: load_job(engine, JOB).ran_at is not None, WAIT_S), log.read_text()
        assert poll(lambda: trouble(alive) == "", WAIT_S)
        for number in range(2):
            exposure = Exposure(f"d{number}", "demo", "u", "u", 0, "control", 0.5, [1], time.time())
            store.record_exposure(exposure).result(WAIT_S)
            store.record_outcome(
                Outcome("u", "control", "1", 1.0, time.time(), decision_id=exposure.decision_id)
            ).result(WAIT_S)
            assert poll(lambda wanted=number + 1: told(tracker) == (wanted, wanted), WAIT_S), log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0, log.read_text()
        # It let go of its jobs: the next one need not wait.
        assert load_job(engine, JOB).lease_until == 0
    store.close()
    assert log.read_text() == ""


def told(tracker: Tracker) -> tuple[float, float]:
    """Impressions and clicks of the control, all days together; in two where midnight is near."""
    found = [run.metrics for run in find_runs(tracker, {STRATEGY: "control"})]
    return sum(one.get("impressions", 0) for one in found), sum(one.get("clicks", 0) for one in found)


@pytest.mark.parametrize(
    ("environment", "words", "message"),
    [
        ({}, (), "no event database: set SCREENTEST_EVENTS_URL, or give --events"),
        (
            {"SCREENTEST_EVENTS_URL": "sqlite:///x.db"},
            (),
            "MLFLOW_TRACKING_URI is not set, and the jobs retrain, aggregates",
        ),
        (
            {},
            ("--jobs", "retrain,cleaning"),
            "--jobs 'retrain,cleaning', must name some of retrain, aggregates, checks",
        ),
        ({}, ("--jobs", ","), "must name some of"),
        (
            {"SCREENTEST_EVENTS_URL": "sqlite:///x.db"},
            ("--jobs", "checks", "--alive-file", "/nowhere/alive"),
            "--alive-file /nowhere/alive: No such file or directory; name a file that can be written",
        ),
    ],
)
def test_what_a_worker_lacks_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    refusal = refused(monkeypatch, environment, "worker", *words)
    assert isinstance(refusal, ConfigError)
    assert message in str(refusal)


@pytest.mark.parametrize(
    ("environment", "words", "message"),
    [
        ({}, (), "MLFLOW_TRACKING_URI is not set"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///x.db"}, (), "DATA_SOURCE_PATH is not set; retraining takes no other data"),
        (
            {"MLFLOW_TRACKING_URI": "sqlite:///x.db", "DATA_LOADER_TYPE": "synthetic"},
            ("--models", "ease,alss"),
            "unknown model 'alss'",
        ),
    ],
)
def test_nobody_retrains_on_data_that_nobody_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    assert message in str(refused(monkeypatch, environment, "retrain", *words))


def refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *words: str) -> Any:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refusal = CliRunner().invoke(app, words).exception
    assert isinstance(refusal, ScreentestError)
    return refusal


def test_one_round_says_by_its_exit_code_whether_it_went_well(tmp_path: Path, tracker: Tracker) -> None:
    address = f"sqlite:///{tmp_path / 'events.db'}"
    (tmp_path / "archive").write_text("")
    environment = {
        "MLFLOW_TRACKING_URI": tracker.uri,
        "SCREENTEST_EVENTS_ARCHIVE_DIR": str(tmp_path / "archive"),
        "SCREENTEST_EVENTS_RETENTION_DAYS": "30",
    }
    codes = [
        subprocess.run(
            command("worker", "--events", address, "--once", "--jobs", jobs),
            env=child_environment(environment),
            stderr=subprocess.DEVNULL,
            timeout=WAIT_S,
        ).returncode
        for jobs in ("aggregates,checks", "retention,checks")
    ]
    assert codes == [0, 1]
    with opened(address) as engine:
        assert "SCREENTEST_EVENTS_ARCHIVE_DIR" in load_job(engine, "retention").failure
        assert load_job(engine, "checks").failure == ""
