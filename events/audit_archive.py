"""Old days of the audit log as Parquet, and then out of the database: never without the file, never the latest months.

    audit_log/date=2026-01-31/part-0.parquet

Columns are the log's own; days are UTC's. A file holds what the log has of that day and what it had before. That days
were moved is an entry of the audit log itself.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select

from core.errors import ConfigError, EventLogError
from core.settings import FEWEST_AUDIT_DAYS
from events.audit import audit_command
from events.database import reading, writing
from events.schema import AUDIT_LOG
from events.whole_parquet import write_parquet

_DAY_S = 86_400
_DELETED_AT_ONCE = 500


def archive_audit(engine: Engine, folder: Path, days: int, *, today: date | None = None) -> int:
    """Move the days of the audit log before the last so many whole ones to files.

    Args:
        engine: From ``open_database``.
        folder: Gets ``audit_log/``; made if missing. One process at a time.
        days: Whole days, UTC, that stay beside today, at least ``FEWEST_AUDIT_DAYS``.
        today: UTC; None: the clock's.

    Returns:
        How many entries were moved.

    Raises:
        ConfigError: So few days may not stay.
        EventLogError: The log cannot be read, or a file not be written or read back; what is not in a file stays.
    """
    if days < FEWEST_AUDIT_DAYS:
        reason = f"must be at least {FEWEST_AUDIT_DAYS}, or 0: all of it stays"
        raise ConfigError(f"audit_retention_days == {days}, {reason}")
    before = (today or datetime.now(UTC).date()) - timedelta(days=days)
    moved = 0
    while (day := _first_day(engine, _begin(before))) is not None:
        moved += _move_day(engine, day, folder)
    return moved


def _begin(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _first_day(engine: Engine, until: float) -> date | None:
    with reading(engine) as connection:
        first = connection.scalar(select(func.min(AUDIT_LOG.c.ts)).where(AUDIT_LOG.c.ts < until))
    return None if first is None else datetime.fromtimestamp(first, UTC).date()


def _move_day(engine: Engine, day: date, folder: Path) -> int:
    import pyarrow as pa

    own = (AUDIT_LOG.c.ts >= _begin(day), AUDIT_LOG.c.ts < _begin(day) + _DAY_S)
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(select(AUDIT_LOG).where(*own)).mappings()]
    file = folder / AUDIT_LOG.name / f"date={day.isoformat()}" / "part-0.parquet"
    # By all columns, not by id: a database that has become empty begins to count anew.
    entries = {tuple(row.values()) for row in (*(_read(file) if file.exists() else ()), *rows)}
    whole = [dict(zip(AUDIT_LOG.c.keys(), entry, strict=True)) for entry in sorted(entries)]
    write_parquet(pa.Table.from_pylist(whole, _schema()), file)
    if _read(file) != whole:
        raise EventLogError(f"{file} does not hold what was written; nothing was deleted; look at the disk")
    ids = [row["id"] for row in rows]
    with writing(engine) as connection:
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            some = AUDIT_LOG.c.id.in_(ids[start : start + _DELETED_AT_ONCE])
            connection.execute(delete(AUDIT_LOG).where(some, *own))
        audit_command(connection, "audit archive", day.isoformat())
    return len(ids)


def _schema() -> Any:
    import pyarrow as pa

    kinds = {int: pa.int64(), float: pa.float64(), str: pa.string()}
    return pa.schema([(column.name, kinds[column.type.python_type]) for column in AUDIT_LOG.c])


def _read(file: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not by way of a data set, which would add the folder's name as a column.
        with pq.ParquetFile(file) as parquet:
            rows: list[dict[str, Any]] = parquet.read().select(_schema().names).cast(_schema()).to_pylist()
            return rows
    except (OSError, KeyError, pa.ArrowException) as error:
        raise EventLogError(f"{file} is damaged or no export of an audit log ({error}); move it away") from error
