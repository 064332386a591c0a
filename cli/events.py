"""``screentest events``: the event log as files, and what is kept of it."""

from __future__ import annotations

import json as json_format
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.event_log import event_log

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


@app.callback()
def _group() -> None:
    """With one command alone, typer would leave out its name."""


@app.command()
def export(
    log: Annotated[str, typer.Argument(help="The event log: a run's folder, its events.db, or a database URL.")],
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files go; made if missing.")],
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day that is left, UTC.", show_default="all days go"),
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete from the log what was exported; needs --before.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Write exposures and outcomes as Parquet by day: exposures/date=2026-01-31/part-0.parquet, outcomes/….

    Exporting again adds what came in late and changes nothing else. With --delete each file is read back first; rows
    of experiments that run stay, and an exposure with an outcome that is not exported stays with all of its outcomes.
    """
    from events.audit import command_was_run
    from events.export import export_events

    with event_log(log) as engine:
        done = export_events(engine, folder, before=None if before is None else before.date(), remove=delete)
        if delete:
            command_was_run(engine, "events export --delete", f"before {before:%Y-%m-%d}")
    if json:
        files = [day._asdict() | {"day": day.day.isoformat(), "file": str(day.file)} for day in done.days]
        typer.echo(json_format.dumps(done._asdict() | {"days": files}, indent=2))
        return
    for day in done.days:
        typer.echo(f"{day.file}  {day.rows:,} rows{'' if day.written else ', unchanged'}")
    if not done.days:
        typer.echo("nothing to export")
    if delete:
        typer.echo(
            f"deleted {done.deleted_exposures:,} exposures and {done.deleted_outcomes:,} outcomes; "
            f"{done.kept_exposures:,} exported exposures stay: their experiment runs, or an outcome of theirs is later"
        )
