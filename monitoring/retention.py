"""Retention: days of the event log, and of the audit log, that are old enough go to Parquet, then from the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from core.errors import EventLogError
from core.file_lock import alone
from events.audit_archive import archive_audit
from events.export import Export, export_events
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
    with _to_itself(archive):
        done = export_events(engine, archive, before=before, remove=True)
    delete_results(engine, before=datetime(before.year, before.month, before.day, tzinfo=UTC).timestamp())
    return done


def keep_audit_days(engine: Engine, archive: Path, days: int, *, today: date | None = None) -> int:
    """Move the days of the audit log before the last so many whole ones to Parquet.

    Args:
        engine: From ``open_database``.
        archive: Folder of the Parquet files; made if missing.
        days: As of ``archive_audit``; 0: everything stays.
        today: UTC; None: the clock's.

    Returns:
        How many entries were moved.

    Raises:
        ConfigError: Another process exports into the folder, or so few days may not stay.
        EventLogError: The log cannot be read, or a file not be written or read back; what is not in a file stays.
    """
    if days == 0:
        return 0
    with _to_itself(archive):
        return archive_audit(engine, archive, days, today=today)


@contextmanager
def _to_itself(archive: Path) -> Iterator[None]:
    """The archive, made if missing, for one export at a time."""
    try:
        archive.mkdir(parents=True, exist_ok=True)
        with alone(archive / _LOCK, f"an export into {archive}"):
            yield
    except OSError as error:
        raise EventLogError(
            f"archive {archive} cannot be written ({error.strerror}); nothing was deleted; mend it, or set "
            "SCREENTEST_EVENTS_ARCHIVE_DIR"
        ) from error
