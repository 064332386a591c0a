"""Exposures and outcomes as Parquet by day, and the retention that rests on it: what is exported may be deleted.

    exposures/date=2026-01-31/part-0.parquet
    outcomes/date=2026-01-31/part-0.parquet

Columns are the log's own; ``items``, ``context`` and ``meta`` are JSON text, ``ts`` is seconds since 1970, days are
UTC's. A file holds what the log has of that day and what it had when it was exported before, each key once: exporting
again changes nothing, and a day may be exported, deleted, and exported again when something late came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    Table,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
)

from core.errors import ConfigError, EventLogError
from events.aggregate import commits_so_far
from events.database import reading, writing
from events.live_traffic import JOB as LIVE_TRAFFIC
from events.live_traffic import count_new
from events.schema import COMMITS, EXPERIMENTS, EXPOSURES, OUTCOMES, ROLLOUTS, SUPERSEDED
from events.whole_parquet import write_parquet
from events.worker_jobs import load_job

_CHUNK = 20_000
_DELETED_AT_ONCE = 500
_DAY_S = 86_400
#: Nobody's clock is right before or after; such rows stay in the log.
_FIRST, _LAST = 0.0, datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class ExportedDay(NamedTuple):
    """One file.

    Attributes:
        table: ``exposures`` or ``outcomes``.
        day: UTC.
        file: It was read back and holds every row that the log has of that day.
        rows: It holds.
        written: Whether it had to be; False: it held all of them already.
    """

    table: str
    day: date
    file: Path
    rows: int
    written: bool


class Export(NamedTuple):
    """What was done.

    Attributes:
        days: The files, by table and day.
        deleted_exposures: Deleted from the log.
        deleted_outcomes: Deleted from the log.
        kept_exposures: Exported and not deleted: of experiments that run, or with outcomes that are not exported.
    """

    days: tuple[ExportedDay, ...]
    deleted_exposures: int = 0
    deleted_outcomes: int = 0
    kept_exposures: int = 0


def export_events(engine: Engine, folder: Path, *, before: date | None = None, remove: bool = False) -> Export:
    """Export whole days; delete from the log what was exported, if asked to.

    A day is held in memory while it is exported. The log may be written meanwhile; what comes in after the call began
    is left for the next one. An exposure is deleted together with its outcomes, none without the other.

    Args:
        engine: From ``open_database``.
        folder: Made if missing.
        before: The first day that is not exported, UTC; None: all are.
        remove: Delete exported rows from the log, except those of rollouts, tests and bandits that are not
            over: they are decided, and a bandit is rebuilt, from the log. Needs ``before``. What is deleted has been
            added up before (``events.live_traffic``).

    Returns:
        Empty of an empty log.

    Raises:
        ConfigError: ``remove`` without ``before``.
        EventLogError: The log cannot be read or a file not be written or read back; nothing is deleted then.
    """
    if remove and before is None:
        raise ConfigError("deleting needs a date (--before 2026-01-31): what is shown today is clicked tomorrow")
    as_of = _counted(engine) if remove else commits_so_far(engine)
    until = _LAST if before is None else min(_LAST, _begin(before))
    days = tuple(
        _export_day(engine, table, day, folder, as_of)
        for table in (EXPOSURES, OUTCOMES)
        for day in _days(engine, table, until, as_of)
    )
    if not remove:
        return Export(days)
    exposures, outcomes = _remove(engine, until, as_of)
    with reading(engine) as connection:
        kept = connection.scalar(select(func.count()).where(*_exported(EXPOSURES, _FIRST, until, as_of)))
    return Export(days, exposures, outcomes, kept or 0)


def _counted(engine: Engine) -> int:
    """The commit up to which live traffic is added up: what is deleted can no longer be."""
    count_new(engine)
    return max(0, load_job(engine, LIVE_TRAFFIC).position)


def _days(engine: Engine, table: Table, until: float, as_of: int) -> Iterator[date]:
    since = _FIRST
    while True:
        with reading(engine) as connection:
            first = connection.scalar(select(func.min(table.c.ts)).where(*_exported(table, since, until, as_of)))
        if first is None:
            return
        day = datetime.fromtimestamp(first, UTC).date()
        yield day
        since = _begin(day) + _DAY_S


def _begin(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _exported(table: Table, since: float, until: float, as_of: int) -> list[ColumnElement[bool]]:
    # A row of these never changes any more: an exposure that is replaced gets a later number.
    return [table.c.ts >= since, table.c.ts < until, table.c.commit_number <= as_of]


def _export_day(engine: Engine, table: Table, day: date, folder: Path, as_of: int) -> ExportedDay:
    file = folder / table.name / f"date={day.isoformat()}" / "part-0.parquet"
    begin = _begin(day)
    with reading(engine) as connection:
        found = _rows(connection, table, _exported(table, begin, begin + _DAY_S, as_of))
    before = _read(file, found.schema) if file.exists() else None
    whole = _united(table, found, before)
    written = before is None or not before.equals(whole)
    if written:
        write_parquet(whole, file)
        if not _read(file, found.schema).equals(whole):
            raise EventLogError(f"{file} does not hold what was written; nothing was deleted; look at the disk")
    return ExportedDay(table.name, day, file, len(whole), written)


def _rows(connection: Connection, table: Table, conditions: list[ColumnElement[bool]]) -> Any:
    import pyarrow as pa

    columns = [cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column for column in table.c]
    schema = pa.schema([(column.name, _arrow_type(column.type)) for column in table.c])
    chunks = connection.execution_options(yield_per=_CHUNK).execute(select(*columns).where(*conditions)).partitions()
    parts = []
    for rows in chunks:
        columns_of_chunk = zip(zip(*rows, strict=True), schema.types, strict=True)
        parts.append(pa.table([pa.array(values, kind) for values, kind in columns_of_chunk], schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _arrow_type(kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(kind, Boolean):
        return pa.bool_()
    if isinstance(kind, Integer):
        return pa.int64()
    return pa.float64() if isinstance(kind, Float) else pa.string()


def _united(table: Table, found: Any, before: Any) -> Any:
    """The log's rows, and those it no longer has, by key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [column.name for column in table.primary_key]

    def keys(rows: Any) -> Any:
        # No text of the log holds a NUL character.
        return pc.binary_join_element_wise(*(rows[name] for name in names), "\0") if len(names) > 1 else rows[names[0]]

    if before is not None:
        no_longer = pc.invert(pc.is_in(keys(before), value_set=keys(found).combine_chunks()))
        found = pa.concat_tables([found, before.filter(no_longer)])
    return found.sort_by([(name, "ascending") for name in names]).combine_chunks()


def _read(file: Path, schema: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not by way of a data set, which would add the folder's name as a column.
        with pq.ParquetFile(file) as parquet:
            return parquet.read().select(schema.names).cast(schema).combine_chunks()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise EventLogError(f"{file} is damaged or no export of an event log ({error}); move it away") from error


def _remove(engine: Engine, until: float, as_of: int) -> tuple[int, int]:
    """Delete what was exported, in short transactions; the exposures and the outcomes that were deleted."""
    own = OUTCOMES.c.decision_id == EXPOSURES.c.decision_id
    left = and_(own, or_(OUTCOMES.c.ts < _FIRST, OUTCOMES.c.ts >= until, OUTCOMES.c.commit_number > as_of))
    running = union_all(
        select(ROLLOUTS.c.experiment).where(ROLLOUTS.c.state != "done"),
        select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.state != "stopped"),
    )
    shown = select(EXPOSURES.c.decision_id).where(
        *_exported(EXPOSURES, _FIRST, until, as_of), EXPOSURES.c.experiment.not_in(running), ~exists().where(left)
    )
    orphaned = select(OUTCOMES.c.decision_id).where(
        *_exported(OUTCOMES, _FIRST, until, as_of), ~exists().where(own).correlate(OUTCOMES)
    )
    exposures = outcomes = 0
    for chosen, orphans in ((shown, False), (orphaned.distinct(), True)):
        while True:
            with writing(engine) as connection:
                # No commit comes in between: what was found to have no later outcome still has none when it goes.
                connection.execute(select(COMMITS.c.commits).with_for_update())
                decisions = connection.scalars(chosen.limit(_DELETED_AT_ONCE)).all()
                if not decisions:
                    break
                theirs = OUTCOMES.c.decision_id.in_(decisions)
                conditions = (theirs, *_exported(OUTCOMES, _FIRST, until, as_of))
                outcomes += connection.execute(delete(OUTCOMES).where(*conditions)).rowcount
                if not orphans:
                    # Without its answer a failure tells nothing.
                    connection.execute(delete(SUPERSEDED).where(SUPERSEDED.c.decision_id.in_(decisions)))
                    gone = connection.execute(delete(EXPOSURES).where(EXPOSURES.c.decision_id.in_(decisions)))
                    exposures += gone.rowcount
    return exposures, outcomes
