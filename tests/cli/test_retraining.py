"""Requests worked off by processes that end well, badly, never, or not in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, update

from cli import retraining
from cli.retraining import Retraining
from core.settings import load_settings
from events.database import opened, writing
from events.retrain_requests import RetrainRequest, claim_retrain, list_retrains, load_retrain, request_retrain
from events.schema import RETRAIN_REQUESTS
from serving.processes import poll
from tests.events.conftest import postgres_url, sqlite_url, url

__all__ = ["postgres_url", "sqlite_url", "url"]
WAIT_S = 30
RESULT = {"champion": "models:/recommender/1", "challenger": "models:/recommender/3", "reason": "ease passes"}
Made = Callable[..., Retraining]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Made:
    """Makes a worker's part whose runs are a few lines of Python; ``FOLDER`` in them is the run's."""

    def make(program: str, worker: str = "w1", stopped: Event | None = None, lease_s: float = 30.0) -> Retraining:
        def command(arguments: Mapping[str, Any], folder: Path) -> list[str]:
            assert arguments["models"]
            return [sys.executable, "-c", program.replace("FOLDER", str(folder))]

        settings = load_settings(runs_dir=tmp_path / "runs")
        return Retraining(
            engine,
            settings,
            worker,
            stopped=stopped or Event(),
            environment={"TOLD": "by the worker"},
            lease_s=lease_s,
            command=command,
        )

    return make


def ended(engine: Engine) -> RetrainRequest:
    found = load_retrain(engine, 1)
    assert found is not None
    return found


def test_a_run_that_ends_well_is_done_with_what_it_printed(engine: Engine, made: Made) -> None:
    worker = made(f"import os; print({json.dumps(RESULT)!r}); open('FOLDER/told', 'w').write(os.environ['TOLD'])")
    assert not worker.round()
    request_retrain(engine, {}, requested_by="ann")
    assert worker.round()
    done = ended(engine)
    assert (done.state, done.message, done.result) == ("done", "ease passes", RESULT)
    assert (Path(done.run) / "told").read_text() == "by the worker"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; print('x\\nerror: no data', file=sys.stderr); sys.exit(2)", "no data"),
        ("import os; os.kill(os.getpid(), 9)", "its process ended with signal 9 and said nothing"),
        ("print('no JSON')", "its process printed no result: 'no JSON\\n'"),
        ("print('{}')", "its process printed no result: '{}\\n'"),
    ],
)
def test_a_run_that_ends_badly_is_failed_with_the_reason(
    engine: Engine, made: Made, program: str, message: str
) -> None:
    request_retrain(engine, {}, requested_by="ann")
    assert made(program).round()
    assert (ended(engine).state, ended(engine).message) == ("failed", " ".join(message.split()))


def test_what_may_not_be_asked_is_failed_before_anything_runs(engine: Engine, made: Made) -> None:
    request_retrain(engine, {"models": ["alss"]}, requested_by="ann")
    request_retrain(engine, {"source": "/etc/passwd"}, requested_by="ann")
    worker = made("raise SystemExit('must not run')")
    assert worker.round()
    assert worker.round()
    second, first = list_retrains(engine)
    assert (first.state, first.message.partition(";")[0]) == ("failed", "unknown model 'alss'")
    assert (second.state, second.message) == (
        "failed",
        "retrain request: source == '/etc/passwd': Extra inputs are not permitted",
    )


def test_a_run_that_cannot_even_begin_is_failed_with_the_reason(
    engine: Engine, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_retrain(engine, {}, requested_by="ann")
    worker = made("raise SystemExit('must not run')")
    monkeypatch.setattr(worker, "_command", lambda *_: [str(tmp_path / "no-such-program")])
    assert worker.round()
    assert ended(engine).state == "failed"
    assert "no-such-program" in ended(engine).message


def test_progress_is_told_while_it_runs_and_a_worker_told_to_stop_gives_back(engine: Engine, made: Made) -> None:
    request_retrain(engine, {}, requested_by="ann")
    stopped = Event()
    program = (
        "import os, sys, time; open('FOLDER/pid', 'w').write(str(os.getpid())); "
        "print('train-model: half', file=sys.stderr, flush=True); time.sleep(600)"
    )
    thread = Thread(target=made(program, stopped=stopped).round)
    thread.start()
    assert poll(lambda: ended(engine).progress == "train-model: half", WAIT_S)
    running = ended(engine)
    pid = int((Path(running.run) / "pid").read_text())
    assert psutil.pid_exists(pid)
    stopped.set()
    thread.join(WAIT_S)
    assert not psutil.pid_exists(pid)
    assert (ended(engine).state, ended(engine).attempts) == ("waiting", 0)
    # The next worker runs it.
    assert made(f"print({json.dumps(RESULT)!r})", worker="w2").round()
    assert (ended(engine).state, ended(engine).worker) == ("done", "w2")


def test_a_worker_that_lost_its_request_ends_its_run(
    engine: Engine, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "_RENEW_EVERY_S", 0.1)
    request_retrain(engine, {}, requested_by="ann")
    program = "import os, time; open('FOLDER/pid', 'w').write(str(os.getpid())); time.sleep(600)"
    thread = Thread(target=made(program).round)
    thread.start()
    assert poll(lambda: bool(ended(engine).run) and (Path(ended(engine).run) / "pid").exists(), WAIT_S)
    pid = int((Path(ended(engine).run) / "pid").read_text())
    with writing(engine) as connection:
        # As another worker does that finds the lease run out.
        connection.execute(update(RETRAIN_REQUESTS).values(worker="w2"))
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert not psutil.pid_exists(pid)
    assert (ended(engine).state, ended(engine).worker) == ("running", "w2")


_WORKER = """
import sys
from pathlib import Path
from threading import Event
from cli.retraining import Retraining
from core.settings import load_settings
from events.database import opened
from serving.reaper import reaped
url, runs = sys.argv[1:]
program = "import os, sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(600)"
with opened(url) as engine, reaped():
    Retraining(engine, load_settings(runs_dir=Path(runs)), "killed", stopped=Event(), environment={}, lease_s=4.0,
               command=lambda arguments, folder: [sys.executable, "-c", program, "retrain-of-a-killed-worker"]).round()
"""


@pytest.mark.parametrize("url", ["postgres_url"], indirect=True)
def test_a_killed_workers_run_ends_with_it_and_its_request_is_run_by_the_next(
    engine: Engine, url: str, made: Made, tmp_path: Path
) -> None:
    request_retrain(engine, {}, requested_by="ann")
    killed = subprocess.Popen([sys.executable, "-c", _WORKER, url, str(tmp_path / "killed")])
    try:
        assert poll(lambda: ended(engine).progress == "begun", WAIT_S)
        [child] = [
            one
            for one in psutil.Process(killed.pid).children(recursive=True)
            if "retrain-of-a-killed-worker" in one.cmdline()
        ]
        assert claim_retrain(engine, "too early", lease_s=30) is None
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    psutil.wait_procs([child], WAIT_S)
    assert not child.is_running()
    worker = made(f"print({json.dumps(RESULT)!r})", worker="next")
    assert poll(worker.round, WAIT_S)
    done = ended(engine)
    assert (done.state, done.worker, done.attempts) == ("done", "next", 2)


def test_two_workers_never_run_the_same(engine: Engine, made: Made, tmp_path: Path) -> None:
    for number in range(6):
        request_retrain(engine, {"seed": number}, requested_by="ann")
    program = (
        f"import os; os.open({str(tmp_path / 'ran')!r} + 'FOLDER'.rpartition('retrain-')[2].partition('-')[0], "
        f"os.O_CREAT | os.O_EXCL); print({json.dumps(RESULT)!r})"
    )
    ran: dict[str, int] = {"w1": 0, "w2": 0}

    def work(name: str) -> None:
        worker = made(program, worker=name)
        while worker.round():
            ran[name] += 1

    threads = [Thread(target=work, args=(name,)) for name in ran]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    # A second run of the same would have found its file.
    assert {one.state for one in list_retrains(engine)} == {"done"}
    assert sum(ran.values()) == 6
    assert len(list(tmp_path.glob("ran*"))) == 6


def test_a_database_that_is_away_for_a_moment_costs_no_run(
    engine: Engine, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import EventLogError
    from events import retrain_requests

    request_retrain(engine, {}, requested_by="ann")
    finish, tries = retrain_requests.finish_retrain, []

    def away_at_first(*given: Any, **more: Any) -> RetrainRequest:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise EventLogError("the database is away")
        return finish(*given, **more)

    monkeypatch.setattr(retrain_requests, "finish_retrain", away_at_first)
    assert made(f"print({json.dumps(RESULT)!r})").round()
    assert (ended(engine).state, len(tries)) == ("done", 3)
