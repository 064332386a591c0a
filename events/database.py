"""Opening the SQLite file of the event log, and the two kinds of transaction on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, StatementError

from core.errors import ConfigError, EventLogError
from events.schema import METADATA

BUSY_TIMEOUT_S = 10.0
"""How long a transaction waits for another process's transaction before it fails."""


def database_path(url: str) -> Path:
    """The file behind a database URL.

    Args:
        url: ``sqlite:////absolute/path.db`` or ``sqlite:///relative/path.db``.

    Raises:
        ConfigError: Another kind of URL, or a database in memory (it would lose what it acknowledged).
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"event log {url!r} is no database URL; give sqlite:////absolute/path/events.db") from error
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            f"event log {url!r}: only a SQLite file is supported; give sqlite:////absolute/path/events.db"
        )
    return Path(str(parsed.database))


def open_database(url: str) -> Engine:
    """Open (and where needed create) the event database: WAL, every commit synced to disk.

    Several processes may have it open; transactions are short and wait for each other.

    Args:
        url: ``sqlite:////absolute/path/events.db``; the folder must exist.

    Returns:
        An engine for ``reading`` and ``writing``; ``dispose()`` it when done.

    Raises:
        ConfigError: The URL is not a SQLite file's.
        EventLogError: The folder is missing, or the file cannot be opened or is no SQLite database.
    """
    path = database_path(url)
    if not path.absolute().parent.is_dir():
        raise EventLogError(f"event log {path}: the folder {path.absolute().parent} does not exist; create it first")
    engine = create_engine(
        f"sqlite:///{path.absolute()}",
        connect_args={"timeout": BUSY_TIMEOUT_S},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with writing(engine) as connection:
            METADATA.create_all(connection)
    except EventLogError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A short write transaction, committed at the end, rolled back on an exception.

    Raises:
        EventLogError: The database refused: disk full, file gone, locked for ``BUSY_TIMEOUT_S``.
    """
    # A deferred transaction that reads first and then writes fails at once when another process wrote in
    # between, whatever the busy timeout: take the write lock from the start.
    with _transaction(engine, "BEGIN IMMEDIATE") as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction: one consistent snapshot, never blocked by a writer.

    Raises:
        EventLogError: The database cannot be read.
    """
    with _transaction(engine, "BEGIN") as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine, begin: str) -> Iterator[Connection]:
    try:
        with engine.connect().execution_options(sqlite_begin=begin) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        # Not only the driver's errors: SQLAlchemy has its own for values and statements it cannot use.
        reason = error.orig if isinstance(error, StatementError) else error
        raise EventLogError(f"event log {engine.url.database}: {reason}") from error


def _configure(dbapi_connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes late and is always deferred: it is switched off, `_begin` says it instead.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
