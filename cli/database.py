"""``screentest database``: the event database's tables, and bringing them up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.event_log import database_address

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Database = Annotated[
    str, typer.Argument(help="A database URL (sqlite:///… or postgresql+psycopg://…), a run's folder or its events.db.")
]


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
