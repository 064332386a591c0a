"""``screentest worker``: what goes on beside the servers, in a process of its own."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigError
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cli.retraining import Retraining
    from monitoring.rounds import Job

JOBS = ("retrain", "aggregates", "checks", "retention")
#: Those that talk to MLflow.
_WITH_MLFLOW = ("retrain", "aggregates")


def worker(
    events: Annotated[
        str,
        typer.Option(
            help="Event database: a URL, a run's folder or its events.db.", show_default="the setting events_url"
        ),
    ] = "",
    jobs: Annotated[str, typer.Option(help="Which jobs, by commas.")] = ",".join(JOBS),
    once: Annotated[
        bool, typer.Option("--once", help="One round of each job, one request at most; exit code 1 if one failed.")
    ] = False,
    alive_file: Annotated[
        Path | None, typer.Option(help="File that is touched every second, for `python -m monitoring.alive FILE`.")
    ] = None,
) -> None:
    """Work off requests to train again, tell live traffic to MLflow, check the event log, move old days to Parquet.

    Several workers may share a PostgreSQL database: a request, and a job on a timer, is one worker's at a time. What
    one job lacks holds up no other; a job that fails is told once and tried again in growing pauses. Ctrl-C and SIGTERM
    end it in order: a training run that is under way is ended, and its request waits for the next worker.
    """
    from cli.event_log import database_address
    from cli.retraining import Retraining
    from events.database import opened
    from monitoring.rounds import LEASE_S, Rounds

    settings = load_settings()
    names = _names(jobs)
    address = database_address(events) if events else settings.events_url.get_secret_value()
    if not address:
        raise ConfigError("no event database: set SCREENTEST_EVENTS_URL, or give --events")
    if not settings.mlflow_tracking_uri and any(name in _WITH_MLFLOW for name in names):
        raise ConfigError(f"MLFLOW_TRACKING_URI is not set, and the jobs {', '.join(_WITH_MLFLOW)} need MLflow")
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    with _told_to_stop() as stopped:
        # Whoever sees it alive may tell it to stop.
        _touch(alive_file)
        _log_to_stderr()
        with opened(address) as engine, _reaping(names):
            own = {"SCREENTEST_EVENTS_URL": address}
            retraining = Retraining(engine, settings, name, stopped=stopped, environment=own, lease_s=LEASE_S)
            work = _jobs(names, engine, settings, retraining)
            rounds = Rounds(engine, name, work, stopped=stopped, alive=lambda: _touch(alive_file))
            went_well = rounds.run(once=once)
    if once and not went_well:
        raise typer.Exit(1)


def _jobs(names: Sequence[str], engine: Engine, settings: Settings, retraining: Retraining) -> list[Job]:
    from events import live_traffic
    from monitoring import log_checks
    from monitoring.live_aggregates import LiveAggregates
    from monitoring.retention import keep_audit_days, keep_days
    from monitoring.rounds import Job

    aggregates = LiveAggregates(
        engine,
        settings.mlflow_tracking_uri,
        experiment=settings.mlflow_experiment_name,
        artifact_root=settings.artifact_root,
    )
    archive = settings.events_archive_dir.expanduser().absolute()

    def retain() -> None:
        keep_days(engine, archive, settings.events_retention_days)
        keep_audit_days(engine, archive, settings.audit_retention_days)

    every = {
        "retrain": Job("retrain", 2.0, retraining.round, alone=False),
        "aggregates": Job(live_traffic.JOB, 2.0, aggregates.round),
        "checks": Job(log_checks.JOB, 30.0, lambda: log_checks.check_log(engine)),
        "retention": Job("retention", 3600.0, retain),
    }
    return [every[name] for name in names]


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    strangers = [name for name in names if name not in JOBS]
    if strangers or not names:
        raise ConfigError(f"--jobs {text!r}, must name some of {', '.join(JOBS)}")
    return names


@contextmanager
def _told_to_stop() -> Iterator[Event]:
    """Set by SIGTERM and Ctrl-C for the length of a block."""
    stopped = Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reaping(names: Sequence[str]) -> Iterator[None]:
    """A training run does not outlive the worker, however that one ends."""
    if "retrain" not in names:
        yield
        return
    from serving.reaper import reaped

    with reaped():
        yield


def _log_to_stderr() -> None:
    from serving.logs import log_to_stderr

    log_to_stderr()
    # What it does is worth a line; what its libraries do is not.
    logging.getLogger("cli.retraining").setLevel(logging.INFO)


def _touch(file: Path | None) -> None:
    if file is None:
        return
    try:
        file.touch()
    except OSError as error:
        raise ConfigError(f"--alive-file {file}: {error.strerror}; name a file that can be written") from error
