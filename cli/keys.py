"""``screentest keys``: who may use a policy server, and what for."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.event_log import database_address
from cli.spans import seconds
from core.errors import ConfigError
from core.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from events.api_keys import ApiKey

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(help="Whose key it is, e.g. shop-frontend.")]
Events = Annotated[
    str,
    typer.Option(
        help="The policy server's event database: a URL, a run's folder or its events.db.",
        show_default="the setting events_url",
    ),
]
RoleOption = Annotated[
    Literal["viewer", "operator", "admin"],
    typer.Option(
        "--role", help="viewer reads; operator asks for lists, starts and stops as well; admin makes experiments too."
    ),
]
Only = Annotated[
    Literal["all", "traffic"],
    typer.Option(help="traffic: lists and what became of them, nothing else; with --role operator."),
]
Rate = Annotated[int, typer.Option(help="Requests a second that each policy server takes from it.")]
_LAST_SHOWN = "this is shown once and kept nowhere; clients take it from SCREENTEST_API_KEY"


@app.command()
def create(
    name: Name,
    role: RoleOption,
    only: Only = "all",
    rate: Rate = 300,
    expires: Annotated[str, typer.Option(help="When it ends, e.g. 90d.", show_default="never")] = "",
    events: Events = "",
) -> None:
    """Make a key, and print it: on standard output the key alone. It works within a second."""
    from events.api_keys import KeyRights, create_key

    lifetime_s = seconds("--expires", expires) if expires else None
    with _database(events) as engine:
        key, text = create_key(engine, name, KeyRights(role, only, rate), lifetime_s=lifetime_s)
    typer.echo(f"{_told(key)}; {_LAST_SHOWN}", err=True)
    typer.echo(text)


@app.command("list")
def list_(
    events: Events = "", json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False
) -> None:
    """Every key there ever was, without its secret."""
    from events.api_keys import list_keys

    with _database(events) as engine:
        keys = list_keys(engine)
    now = time.time()
    if json:
        rows = [{**vars(key), "state": key.state(now)} for key in keys]
        for row in rows:
            row.pop("sha256")
        typer.echo(json_format.dumps(rows, indent=2))
        return
    for key in keys:
        typer.echo(f"{_told(key)}, {key.state(now)}, last used {_moment(key.last_used_at) or 'never'}")
    if not keys:
        typer.echo("no keys yet; `screentest keys create` makes one")


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="How long the old key is taken beside the new one.")] = "24h",
    expires: Annotated[
        str, typer.Option(help="When the new one ends, e.g. 90d.", show_default="after as long as the old one")
    ] = "",
    events: Events = "",
) -> None:
    """Make a key's successor with the same rights, and print it; the old one ends after the overlap."""
    from events.api_keys import rotate_key

    overlap_s, lifetime_s = seconds("--overlap", overlap), seconds("--expires", expires) if expires else None
    with _database(events) as engine:
        key, text = rotate_key(engine, name, overlap_s=overlap_s, lifetime_s=lifetime_s)
    typer.echo(f"{_told(key)}; the one before ends after {overlap}; {_LAST_SHOWN}", err=True)
    typer.echo(text)


@app.command()
def revoke(name: Name, events: Events = "") -> None:
    """Refuse a key from now on: policy servers do within about a second, also those it was rotated from."""
    from events.api_keys import revoke_key

    with _database(events) as engine:
        number = revoke_key(engine, name)
    typer.echo(f"{name}: revoked" if number == 1 else f"{name}: revoked, {number} of that name")


@app.command()
def new() -> None:
    """Print the text of a key that nobody knows yet: for a Secret, from which `keys import` takes it."""
    from events.api_keys import new_secret

    typer.echo(new_secret())


@app.command("import")
def import_(name: Name, role: RoleOption, only: Only = "all", rate: Rate = 300, events: Events = "") -> None:
    """Make the key in SCREENTEST_API_KEY known; known already it changes nothing. Another of that name ends in 24 h."""
    from events.api_keys import KeyRights, import_key

    text = load_settings().api_key.get_secret_value()
    if not text:
        raise ConfigError("SCREENTEST_API_KEY is empty; put the key there that is to be known (`keys new` makes one)")
    with _database(events) as engine:
        key, is_new = import_key(engine, name, text, KeyRights(role, only, rate))
    typer.echo(f"{_told(key)}: {'known from now on' if is_new else 'known already'}")
    if "example-only" in text:
        typer.echo("this key stands in a public repository: for a machine of one's own only", err=True)


@contextmanager
def _database(events: str) -> Iterator[Engine]:
    from events.database import open_database

    address = events or load_settings().events_url.get_secret_value()
    if not address:
        raise ConfigError("no event database; give --events or set SCREENTEST_EVENTS_URL")
    engine = open_database(database_address(address))
    try:
        yield engine
    finally:
        engine.dispose()


def _told(key: ApiKey) -> str:
    what = key.role if key.scope == "all" else f"{key.role} for {key.scope} alone"
    ends = f" until {_moment(key.expires_at)}" if key.expires_at else ""
    return f"{key.name} (st_{key.id}…): {what}, {key.rate:,} requests a second{ends}"


def _moment(ts: float | None) -> str:
    return "" if ts is None else datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M UTC")
