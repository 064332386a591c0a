"""``screentest audit``: who changed what."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.event_log import database_address
from core.errors import ConfigError
from core.settings import load_settings


def audit(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="From then on, UTC.", show_default="all"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The latest so many.")] = 1000,
    events: Annotated[
        str,
        typer.Option(
            help="The event database: a URL, a run's folder or its events.db.", show_default="the setting events_url"
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Who changed what, oldest first: requests to policy servers by key, commands by the user who ran them.

    What users are shown and what they do is in the event log, not here.
    """
    from events.audit import read_audit
    from events.database import open_database

    address = events or load_settings().events_url.get_secret_value()
    if not address:
        raise ConfigError("no event database; give --events or set SCREENTEST_EVENTS_URL")
    engine = open_database(database_address(address))
    try:
        found = read_audit(engine, 0.0 if since is None else since.replace(tzinfo=UTC).timestamp(), limit)
    finally:
        engine.dispose()
    if json:
        typer.echo(json_format.dumps([asdict(entry) for entry in found], indent=2, ensure_ascii=False))
        return
    for entry in found:
        moment = datetime.fromtimestamp(entry.ts, UTC).strftime("%Y-%m-%d %H:%M:%S")
        who = f"{entry.who} ({entry.role})" if entry.role else entry.who
        answered = f" {entry.status}" if entry.status else ""
        about = f" [{entry.subject}]" if entry.subject else ""
        typer.echo(f"{moment}  {who}: {entry.method} {entry.path}{about}{answered}  {entry.request_id}".rstrip())
    if not found:
        typer.echo("nothing was changed")
