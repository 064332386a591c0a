"""An event log, opened from a run's folder, its file, or a database's URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Engine

DATABASE = "events.db"


@contextmanager
def event_log(given: Path | str) -> Iterator[Engine]:
    """An engine on the log; disposed of when done.

    Args:
        given: A run's folder, the log's own file, or a database URL.

    Raises:
        ConfigError: None of them, or there is no such file.
        EventLogError: The database is no event log, or cannot be reached.
    """
    from events.database import open_database

    address = database_address(given)
    file = log_file(given)
    if file is not None and not file.exists():
        raise ConfigError(f"{file} does not exist; name a run's folder or its {DATABASE}")
    engine = open_database(address)
    try:
        yield engine
    finally:
        engine.dispose()


def is_event_log(given: Path | str) -> bool:
    """Whether this names an event log, not a table or a spec: a URL, a database's file, or a folder with one."""
    file = log_file(given)
    return file is None or file.suffix == ".db" or (Path(given).is_dir() and file.exists())


def database_address(given: Path | str) -> str:
    """The URL of an event log's database.

    Raises:
        ConfigError: It names neither a database nor a run's folder.
    """
    file = log_file(given)
    if file is None:
        return str(given)
    if file.name != DATABASE and file.suffix != ".db":
        raise ConfigError(f"{given} is no event log; name a run's folder, its {DATABASE} or a database URL")
    return f"sqlite:///{file.absolute()}"


def log_label(given: Path | str) -> str:
    """What was given, in messages; without the password of a URL."""
    from events.dialects import database_url, log_name

    return str(given) if log_file(given) is not None else log_name(database_url(str(given)))


def log_file(given: Path | str) -> Path | None:
    """The file that is meant; None for a URL (a SQLite file's too: whoever names one may want it made)."""
    from events.dialects import is_database_url

    if isinstance(given, str) and is_database_url(given):
        return None
    path = Path(given)
    return path / DATABASE if path.is_dir() else path
