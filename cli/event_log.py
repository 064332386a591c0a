"""The event log of a run, opened from its folder or its file."""

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
def event_log(path: Path) -> Iterator[Engine]:
    """An engine on the log; disposed of when done.

    Args:
        path: A run's folder, or the log's own file.

    Raises:
        ConfigError: Neither, or there is no such file.
        EventLogError: The file is no event log.
    """
    from events.database import open_database

    file = path / DATABASE if path.is_dir() else path
    if file.name != DATABASE and file.suffix != ".db":
        raise ConfigError(f"{path} is no event log; name a run's folder or its {DATABASE}")
    if not file.exists():
        raise ConfigError(f"{file} does not exist; name a run's folder or its {DATABASE}")
    engine = open_database(f"sqlite:///{file.absolute()}")
    try:
        yield engine
    finally:
        engine.dispose()
