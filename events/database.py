"""Opening the event database, SQLite or PostgreSQL, and the two kinds of transaction on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

from core.errors import EventLogError
from events.dialects import (
    database_url,
    for_reading,
    for_writing,
    lock_schema,
    log_name,
    make_engine,
    sqlite_file,
    too_large,
)
from events.migrations import HEAD, VERSIONS, check_known, upgrade, version_of
from events.schema import EXPOSURES


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
        prepare(engine)
    except EventLogError:
        engine.dispose()
        raise
    return engine


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """``open_database`` for the length of a block.

    Raises:
        ConfigError: As ``open_database``.
        EventLogError: As ``open_database``.
    """
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def prepare(engine: Engine) -> None:
    """Create the tables, or bring them up to date, where that is needed.

    Raises:
        EventLogError: The database cannot be reached, is none of ours, or was made by a newer version.
    """
    if _version(engine) != HEAD:
        with writing(engine) as connection:
            lock_schema(connection)
            # Another process may have done it while this one waited.
            check_known(version_of(connection), log_name(engine.url))
            upgrade(connection)


def may_pass(error: EventLogError) -> bool:
    """Whether it is the database that is down, full or busy, not what was asked of it that it will never take."""
    cause = error.__cause__
    wrong = DataError | IntegrityError | ProgrammingError | NotSupportedError
    return isinstance(cause, DBAPIError) and not isinstance(cause, wrong) and not too_large(cause.orig)


class DatabaseStatus(NamedTuple):
    """How far a database's tables are.

    Attributes:
        name: Its file, or its URL without the password.
        version: None where there are no tables yet, or they are older than versions are.
        exists: Whether the event log's tables are there, however old.
    """

    name: str
    version: str | None
    exists: bool

    @property
    def up_to_date(self) -> bool:
        """Whether the tables are what this Screentest makes."""
        return self.version == HEAD

    @property
    def sentence(self) -> str:
        """The same in words."""
        if self.up_to_date:
            return f"version {HEAD}, up to date"
        if not self.exists:
            return f"no event log yet; `screentest database upgrade` makes one of version {HEAD}"
        if self.version is not None and self.version not in VERSIONS:
            return f"version {self.version}, newer than this Screentest, which knows them up to {HEAD}; update it"
        return (
            f"version {self.version or 'from before versions were counted'}; `screentest database upgrade` brings it "
            f"to {HEAD}, whatever opens it does too"
        )


def database_status(url: str) -> DatabaseStatus:
    """How far a database's tables are; nothing is changed.

    Raises:
        ConfigError: As ``open_database``.
        EventLogError: It cannot be opened or reached.
    """
    engine = connect(url)
    try:
        file = sqlite_file(engine.url)
        if file is not None and not file.exists():
            return DatabaseStatus(log_name(engine.url), None, False)
        with reading(engine) as connection:
            there = inspect(connection).has_table(EXPOSURES.name)
            return DatabaseStatus(log_name(engine.url), version_of(connection), there)
    finally:
        engine.dispose()


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
