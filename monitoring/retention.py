"""Retention: days of the event log that are old enough go to Parquet, then from the database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from core.errors import EventLogError
from core.file_lock import alone
from events.export import Export, export_events
from events.live_traffic import count_new
from events.monitoring_results import delete_results

_LOCK = ".exporting"


def keep_days(engine: Engine, archive: Path, days: int, *, today: date | None = None) -> Export | None:
    """Export and delete the days before the last so many whole ones; results of checks as old as these are deleted.

    Args:
        engine: From ``open_database``.
        archive: Folder of the Parquet files; made if missing.
        days: Whole days, UTC, that stay beside today; 0: everything stays.
        today: UTC; None: the clock's.

    Returns:
        What was done; None where everything stays.

    Raises:
        ConfigError: Another process exports into the folder.
        EventLogError: The log cannot be read, or a file not be written or read back; nothing is deleted then.
    """
    if days == 0:
        return None
    before = (today or datetime.now(UTC).date()) - timedelta(days=days)
    # What is deleted can no longer be added up.
    count_new(engine)
    try:
        archive.mkdir(parents=True, exist_ok=True)
        with alone(archive / _LOCK, f"an export into {archive}"):
            done = export_events(engine, archive, before=before, remove=True)
    except OSError as error:
        raise EventLogError(
            f"archive {archive} cannot be written ({error.strerror}); nothing was deleted; mend it, or set "
            "SCREENTEST_EVENTS_ARCHIVE_DIR"
        ) from error
    delete_results(engine, before=datetime(before.year, before.month, before.day, tzinfo=UTC).timestamp())
    return done
