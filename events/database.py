"""Opening the event database, SQLite or PostgreSQL, and the two kinds of transaction on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError

from core.errors import EventLogError
from events.dialects import database_url, for_reading, for_writing, lock_schema, log_name, make_engine, sqlite_file
from events.migrations import HEAD, check_known, upgrade, version_of


def open_database(url: str) -> Engine:
    """Open the event database; where needed it is created, or brought up to date without losing a row.

    Several processes may have it open; transactions are short and wait for each other. What is committed is on disk:
    SQLite in WAL with every commit synced, PostgreSQL with ``synchronous_commit`` never off.

    Args:
        url: ``sqlite:////absolute/path/events.db``, whose folder must exist, or
            ``postgresql+psycopg://user:password@host/database``, which must exist.

    Returns:
        An engine for ``reading`` and ``writing``; ``dispose()`` it when done.

    Raises:
        ConfigError: The URL is neither.
        EventLogError: The folder is missing, the database cannot be opened or reached, is none of ours, or was made
            by a newer version.
    """
    engine = connect(url)
    try:
        if _version(engine) != HEAD:
            with writing(engine) as connection:
                lock_schema(connection)
                # Another process may have done it while this one waited.
                check_known(version_of(connection), log_name(engine.url))
                upgrade(connection)
    except EventLogError:
        engine.dispose()
        raise
    return engine


def connect(url: str) -> Engine:
    """An engine on a database as it is: not created on PostgreSQL, not brought up to date.

    Raises:
        ConfigError: As ``open_database``.
        EventLogError: The folder of a SQLite file is missing.
    """
    parsed = database_url(url)
    file = sqlite_file(parsed)
    if file is not None and not file.parent.is_dir():
        raise EventLogError(f"event log {file}: the folder {file.parent} does not exist; create it first")
    return make_engine(parsed)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A short write transaction, committed at the end, rolled back on an exception.

    On SQLite it has the database to itself. On PostgreSQL each statement sees what others have committed by then;
    whoever decides on what was read locks it first (``events.dialects.lock_table``).

    Raises:
        EventLogError: The database refused or is gone: disk full, file gone, locked for ``BUSY_TIMEOUT_S``. When the
            connection broke in the commit itself, nobody knows whether it was kept: write it again, which is harmless.
    """
    with _transaction(engine, for_writing(engine.dialect)) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction: one consistent snapshot, never blocked by a writer.

    Raises:
        EventLogError: The database cannot be read.
    """
    with _transaction(engine, for_reading(engine.dialect)) as connection:
        yield connection


def _version(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return check_known(version_of(connection), log_name(engine.url))


@contextmanager
def _transaction(engine: Engine, options: Mapping[str, Any]) -> Iterator[Connection]:
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        # Not only the driver's errors: SQLAlchemy has its own for values and statements it cannot use.
        reason = error.orig if isinstance(error, StatementError) else error
        # PostgreSQL's reasons have several lines.
        raise EventLogError(f"event log {log_name(engine.url)}: {' '.join(str(reason).split())}") from error
