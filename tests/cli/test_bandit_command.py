"""``screentest bandit``: what is known, whether that is what the log says, and the one command that makes it anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError
from events.database import open_database
from events.experiments import ExperimentRecord
from tests.live_experiments import event_store, live_spec, started, write_sessions
from tests.real_redis import RealRedis, real_redis


@pytest.fixture
def redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealRedis]:
    with real_redis(tmp_path) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        yield server


@pytest.fixture
def record(tmp_path: Path) -> ExperimentRecord:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine, spec = open_database(url), live_spec({"policy": "bandit"})
    made = started(engine, spec)
    with event_store(url) as store:
        write_sessions(store, spec, 60, 0)
    engine.dispose()
    return made


def bandit(*arguments: str, code: int = 0) -> str:
    found = CliRunner().invoke(app, ["bandit", *arguments])
    assert found.exit_code == code, found.output
    return found.output


def test_it_tells_what_is_known(record: ExperimentRecord, tmp_path: Path, redis_server: RealRedis) -> None:
    events = str(tmp_path / "events.db")
    told = json.loads(bandit("show", record.name, "--events", events, "--json"))
    assert told["same_as_log"]
    assert [row["variant"] for row in told["variants"]] == ["plain", "bold", "fresh"]
    assert sum(row["sessions"] for row in told["variants"]) == 60
    assert sum(row["propensity"] for row in told["variants"]) == pytest.approx(1)
    page = bandit("show", record.name, "--events", events)
    assert f"{record.name}: known as of commit {told['log_commits']} of the event log" in page
    assert f"plain: {told['variants'][0]['sessions']} sessions, mean reward 0." in page


def test_what_somebody_broke_is_seen_and_mended(
    record: ExperimentRecord, tmp_path: Path, redis_server: RealRedis
) -> None:
    events = str(tmp_path / "events.db")
    bandit("show", record.name, "--events", events)
    client = redis_server.client()
    client.hset(next(client.scan_iter(f"screentest:bandit:{record.id}:*")), '["",0]', b"\0" * 72)
    page = bandit("show", record.name, "--events", events, code=1)
    assert f"NOT what the event log says; mend it: screentest bandit rebuild {record.name}" in page
    assert "60 sessions" not in page
    assert "sessions, mean reward" in bandit("rebuild", record.name, "--events", events)
    assert json.loads(bandit("show", record.name, "--events", events, "--json"))["same_as_log"]


def test_what_it_cannot_find_it_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    open_database(url).dispose()
    missing = CliRunner().invoke(app, ["bandit", "show", "nobody", "--events", url])
    assert isinstance(missing.exception, ConfigError)
    assert str(missing.exception) == "experiment 'nobody' does not exist in this event database"
    nowhere = CliRunner().invoke(app, ["bandit", "show", "nobody"])
    assert "give --events or set SCREENTEST_EVENTS_URL" in str(nowhere.exception)
