"""``screentest rollout``: run one before servers that are there, look at it, go on with it, or route without one."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli import standing_rollout
from core.errors import ConfigError
from core.logs import log_to_file
from core.settings import load_settings

if TYPE_CHECKING:
    from cli.finish import Told
    from cli.run_folder import RunFolder
    from serving.rollout_status import RolloutStatus

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.command("run")(standing_rollout.run)

RunDir = Annotated[Path, typer.Argument(help="Folder of the run, e.g. runs/20260131-120000-none-seed42-1a2b.")]
_STEP = "ab-rollout"


@app.command()
def status(
    run_dir: RunDir, json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False
) -> None:
    """Tell where a rollout stands: running, killed or over."""
    from serving.rollout_status import rollout_status

    found = rollout_status(run_dir)
    if json:
        typer.echo(json_format.dumps(found.as_document(), indent=2, allow_nan=False))
        return
    for line in _status_lines(found, run_dir):
        typer.echo(line)


@app.command()
def resume(run_dir: RunDir) -> None:
    """Go on with a rollout that was killed, to the same end it would have had; a finished one is told again."""
    from cli.feature_store import kept_feature_store
    from cli.finish import finish
    from cli.run_folder import RunFolder
    from cli.stages import StageBoard
    from pipelines.local_runner import StepLog
    from serving.live_rollout import resume_rollout
    from serving.reaper import reaped
    from serving.rollout_folder import RolloutFolder

    run = RunFolder(run_dir.resolve())
    rollout = RolloutFolder(run.path)
    write_down(rollout.events_url, "rollout resume", rollout.read_request().spec.name)
    log_to_file(run.own_log)
    run.log.parent.mkdir(parents=True, exist_ok=True)
    console = Console(file=sys.stdout)
    with StageBoard(console) as board, run.log.open("a", encoding="utf-8") as log:
        steps = StepLog(log, board)
        steps.begin(_STEP)
        with reaped(), kept_feature_store(load_settings(), run), contextlib.redirect_stdout(steps):
            resume_rollout(run.path)
        steps.end("SUCCESS")
    finish(run, told_of(run, board.seconds), console)


@app.command()
def route(
    champion: Annotated[str, typer.Option(help="Address of the model server that everyone is sent to.")],
    rival: Annotated[str, typer.Option(help="Address of another, shown beside it in previews alone.")] = "",
    experiment: Annotated[str, typer.Option(help="Name that exposures are logged under.")] = "live",
    events: Annotated[
        str,
        typer.Option(
            help="The policy server's event database, sqlite:////absolute/path/events.db.",
            show_default="the setting events_url",
        ),
    ] = "",
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Leave the route in force where a rollout or an experiment has the traffic, or promoted another "
            "version that still answers: for a stack that comes up again.",
        ),
    ] = False,
) -> None:
    """Send everyone to one model server, as before the first rollout; refused while a rollout is under way."""
    from cli.event_log import log_label
    from events.database import open_database
    from events.experiments import put_standing_route
    from serving.standing_route import ask_what_is_served, everyone_to_the_champion, route_to_keep

    settings = load_settings()
    events = events or settings.events_url.get_secret_value()
    if not events:
        raise ConfigError("no event database; give --events or set SCREENTEST_EVENTS_URL")
    served, beside = (
        ask_what_is_served(url, settings.mlflow_model_name, settings.model_timeout_s) if url else None
        for url in (champion, rival)
    )
    if served is None:
        raise ConfigError("--champion is empty; give a model server's address, e.g. http://127.0.0.1:8081")
    if _is_new(events):
        print(f"{log_label(events)} is made now; only a policy server that is started on it obeys it", file=sys.stderr)
    engine = open_database(events)
    try:
        kept = route_to_keep(engine, served, settings.model_timeout_s) if keep else None
        if kept is not None:
            typer.echo(
                f"route {kept.revision} of {kept.experiment!r} stays in force (version {kept.champion_version} at "
                f"{kept.champion_url})"
            )
            return
        stored = put_standing_route(engine, everyone_to_the_champion(experiment, served, beside))
    finally:
        engine.dispose()
    write_down(events, "rollout route", experiment)
    typer.echo(f"everyone to {served.uri} at {served.url} (route {stored.revision}, logged as {experiment!r})")


def _is_new(events_url: str) -> bool:
    """Whether opening it makes a SQLite file, which a misspelt name does too."""
    from events.dialects import database_url

    url = database_url(events_url)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def write_down(events_url: str, command: str, experiment: str) -> None:
    """Say in the audit log who runs a command that changes a rollout."""
    from events.audit import command_was_run
    from events.database import open_database

    engine = open_database(events_url)
    try:
        command_was_run(engine, command, experiment)
    finally:
        engine.dispose()


def told_of(run: RunFolder, now: Mapping[str, float]) -> Told:
    """What the killed demo knew; for a rollout that was started otherwise, what its folder and the settings tell."""
    from cli.finish import Told
    from serving.live_rollout import data_of
    from serving.rollout_folder import RolloutFolder

    if run.plan.exists():
        told = Told(**json_format.loads(run.plan.read_text(encoding="utf-8")))
    else:
        request, settings = RolloutFolder(run.path).read_request(), load_settings()
        told = Told(
            data=data_of(request),
            k=settings.k,
            metric=settings.gate_metric,
            tracking_uri=request.tracking_uri,
            model_name=request.model_name,
            seconds={},
            relevant_rating=settings.relevant_rating,
        )
    if run.result.exists():
        # Told again: it took what it took.
        return replace(told, seconds=json_format.loads(run.result.read_text(encoding="utf-8"))["seconds"])
    seconds = {**told.seconds, **now}
    return replace(told, seconds={**seconds, "total": sum(seconds.values())})


def _status_lines(found: RolloutStatus, run_dir: Path) -> list[str]:
    from experiments.figures import count, interval, points
    from experiments.words import short_reason

    looks = "1 look" if found.looks == 1 else f"{found.looks} looks"
    lines = [
        f"{found.experiment}: {found.state}, {found.challenger} at {found.step_percent} % against {found.champion}, "
        f"{count(found.sessions)} of at most {count(found.sessions_planned)} sessions, {looks}"
    ]
    look = found.last_look
    if look is not None:
        if isfinite(look.ci_lower):
            lines.append(f"effect: {points(look.effect_size, 'en')} ({interval(look.ci_lower, look.ci_upper, 'en')})")
        reasons = "; ".join(short_reason("en", code) for code in look.reasons)
        lines.append(f"last look: {look.decision} ({reasons})")
    lines.append(f"outcomes without a session in the event log: {count(found.orphans)}")
    if found.state != "done":
        lines.append(f"if it was killed, go on with: screentest rollout resume {run_dir}")
    else:
        lines.append(f"decision: {found.decision}")
    return lines
