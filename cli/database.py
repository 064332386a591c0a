"""``screentest database``: the event database's tables: their version, what is in them, and users and items."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from cli.event_log import database_address, event_log

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Database = Annotated[
    str, typer.Argument(help="A database URL (sqlite:///… or postgresql+psycopg://…), a run's folder or its events.db.")
]
#: Of a value on the terminal; all of it is in --json.
_WIDEST = 80


@app.command()
def status(database: Database) -> None:
    """Say which version the tables have, and change nothing. Exit code 1 where they are not up to date."""
    from events.database import database_status

    found = database_status(database_address(database))
    typer.echo(f"{found.name}: {found.sentence}")
    if not found.up_to_date:
        raise typer.Exit(1)


@app.command()
def upgrade(database: Database) -> None:
    """Make the tables, or bring them up to date without losing a row, in one transaction.

    Whatever opens a database does this by itself; this is for those who want it done before a server starts.
    """
    from events.database import database_status, open_database

    address = database_address(database)
    open_database(address).dispose()
    found = database_status(address)
    typer.echo(f"{found.name}: {found.sentence}")


@app.command()
def load(
    database: Database,
    data: Annotated[
        str | None, typer.Option(help="What the demo takes: a folder, a zip, or synthetic. Default: as for the demo.")
    ] = None,
) -> None:
    """Write the users and items of rating data; of one that is there already the new row stands.

    The training pipeline does this by itself where SCREENTEST_EVENTS_URL names a database.
    """
    from cli.audition import source_of
    from core.settings import load_settings
    from events.catalogue import record_data
    from loaders.base import SplitRule
    from loaders.registry import open_loader

    settings = load_settings(data_source_path=data)
    source = source_of(settings)
    loader = open_loader(source.kind, source=source.path, split=SplitRule(), columns=settings.data_columns)
    written = record_data(database_address(database), loader.load(), source=loader.provenance().source)
    typer.echo(f"data: {source.why}")
    typer.echo(f"{written.users:,} users and {written.items:,} items written")


@app.command()
def show(
    database: Database,
    table: Annotated[str, typer.Argument(help="users, items, models, features, deployments, retrain_requests, …")],
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts; nothing is shortened.")] = False,
) -> None:
    """Look at a table, the latest rows first: what is trained on, what is served, what was checked, what is asked."""
    from events.tables import latest_rows

    with event_log(database) as engine:
        rows = latest_rows(engine, table, limit=limit)
    if json:
        typer.echo(json_format.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not rows:
        typer.echo(f"{table} is empty")
        return
    _print_rows([{name: _cell(name, value) for name, value in row.items()} for row in rows])


def _print_rows(rows: Sequence[Mapping[str, str]]) -> None:
    """A table where the terminal is wide enough for it, else a block of lines for each row."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    widths = [max(cell_len(text) for text in (name, *(row[name] for row in rows))) for name in rows[0]]
    if sum(widths) + len(widths) <= console.width:
        table = Table(box=None, pad_edge=False)
        for name in rows[0]:
            table.add_column(name, no_wrap=True)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)
        return
    longest = max(len(name) for name in rows[0])
    for place, row in enumerate(rows):
        if place:
            console.print()
        for name, text in row.items():
            console.print(f"{name:<{longest}}  {text}", soft_wrap=True)


def _cell(name: str, value: Any) -> str:
    """A value for people: times by the calendar, JSON in short."""
    if value is None:
        return "–"
    if isinstance(value, float) and (name.endswith(("_at", "_ts", "_until")) or name in _TIMES):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}" if value > 0 else "–"
    text = json_format.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


_TIMES = ("since", "until", "as_of", "window_start", "window_end")
