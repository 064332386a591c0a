"""What SQLite and PostgreSQL do differently: addresses, connections, transactions, locks. Nothing else knows of it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from sqlalchemy import URL, Connection, Dialect, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigError

Insert: TypeAlias = sqlite.Insert | postgresql.Insert

BUSY_TIMEOUT_S = 10.0
"""How long a transaction waits for another one before it fails."""
_BUSY_PAUSE_S = 0.01
_IDLE_TRANSACTION_S = 60
"""PostgreSQL: a writer that froze inside a transaction loses it, or it would hold up every other replica."""
_ALLOWED = "give sqlite:////absolute/path/events.db or postgresql+psycopg://user:password@host/database"
_POSTGRESQL = "postgresql+psycopg"
#: A server that is gone is noticed within seconds, not when the kernel gives up; the URL's own values come first.
_CONNECT = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "screentest",
}


def database_url(url: str) -> URL:
    """A database URL, checked.

    Args:
        url: ``sqlite:////absolute/path.db``, ``sqlite:///relative/path.db`` or ``postgresql+psycopg://…``;
            ``postgresql://`` is the same.

    Raises:
        ConfigError: Another kind of URL, or a database in memory (it would lose what it acknowledged).
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"event log {_without_password(url)!r} is no database URL; {_ALLOWED}") from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername in ("postgresql", _POSTGRESQL) and parsed.database:
        return parsed.set(drivername=_POSTGRESQL)
    raise ConfigError(f"event log {_without_password(url)!r} is no SQLite file and no PostgreSQL database; {_ALLOWED}")


def is_database_url(given: str) -> bool:
    """Whether this is meant as a URL, not as a path."""
    return re.match(r"[a-z][a-z0-9+]*://", given) is not None


def sqlite_file(url: URL) -> Path | None:
    """The absolute path of a SQLite database's file; None for PostgreSQL."""
    return Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" else None


def log_name(url: URL) -> str:
    """The database in messages: its file, or its URL without the password."""
    file = sqlite_file(url)
    # Passwords may be given as a parameter too.
    return url.set(query={}).render_as_string(hide_password=True) if file is None else str(file)


def make_engine(url: URL) -> Engine:
    """An engine whose transactions ``sqlite_begin`` (an execution option) and ``read_only`` begin as they must.

    Args:
        url: From ``database_url``.
    """
    common: dict[str, Any] = {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
    }
    file = sqlite_file(url)
    if file is None:
        given = {name: value for name, value in _CONNECT.items() if name not in url.query}
        engine = create_engine(url, connect_args=given, pool_pre_ping=True, **common)
        event.listen(engine, "connect", _configure_postgresql)
        return engine
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_TIMEOUT_S}, **common)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_reading(dialect: Dialect) -> Mapping[str, Any]:
    """Execution options of a transaction that sees one consistent snapshot and is never blocked by a writer."""
    if dialect.name == "sqlite":
        return {"sqlite_begin": "BEGIN"}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def for_writing(dialect: Dialect) -> Mapping[str, Any]:
    """Execution options of a transaction that writes."""
    # A deferred transaction that reads first and then writes fails at once when another process wrote in
    # between, whatever the busy timeout: take the write lock from the start.
    return {"sqlite_begin": "BEGIN IMMEDIATE"} if dialect.name == "sqlite" else {"isolation_level": "READ COMMITTED"}


def insert(dialect: Dialect, table: Table) -> Insert:
    """An INSERT that knows ``on_conflict_do_update`` and ``on_conflict_do_nothing``, the same on both."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def named_parameters(dialect: Dialect) -> Dialect:
    """The dialect to compile statements with whose parameters the driver takes by name."""
    return sqlite.dialect(paramstyle="named") if dialect.name == "sqlite" else dialect


def positional_parameters(dialect: Dialect) -> Dialect:
    """The dialect to compile statements with whose parameters the driver takes in order."""
    return sqlite.dialect() if dialect.name == "sqlite" else type(dialect)(paramstyle="format")  # type: ignore[call-arg]


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write this table until the transaction ends, so that what is read of it stays true."""
    # On SQLite a write transaction has the whole database.
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def lock_schema(connection: Connection) -> None:
    """Let nobody else change the tables until the transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('screentest schema'))"))


def clock(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that all who share the database have: leases are measured by it."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8")) or 0.0)


def too_large(error: BaseException | None) -> bool:
    """Whether the database refused something for its size: to a driver that is trouble of the database, which passes.

    Args:
        error: The driver's.
    """
    # PostgreSQL's class 54, e.g. of a text that no index takes.
    return str(getattr(error, "sqlstate", None) or "").startswith("54")


def _configure_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes late and is always deferred: it is switched off, `_begin_sqlite` says it instead.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    # Who makes a new file WAL needs it for itself, and SQLite does not wait for that as it waits for other locks.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _configure_postgresql(dbapi_connection: Any, _record: Any) -> None:
    # What is acknowledged must be on disk, whatever the server's default; stricter settings stay.
    settings = (
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        f"SET lock_timeout = '{BUSY_TIMEOUT_S:g}s'",
        f"SET idle_in_transaction_session_timeout = '{_IDLE_TRANSACTION_S}s'",
    )
    before = dbapi_connection.autocommit
    dbapi_connection.autocommit = True
    cursor = dbapi_connection.cursor()
    for setting in settings:
        cursor.execute(setting)
    cursor.close()
    dbapi_connection.autocommit = before


def _without_password(url: str) -> str:
    return re.sub(r"//.*@", "//***@", url)
