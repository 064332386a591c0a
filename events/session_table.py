"""The event log of an A/B/n test as a Parquet file with a row per session: what any analysis can start from."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, and_, case, exists, func, literal, select

from events.aggregate import then_there
from events.database import reading
from events.schema import EXPOSURES, OUTCOMES, SUPERSEDED

UNIT, VARIANT = "unit_id", "variant"
_FIXED = ("device", "channel")
_CHUNK = 50_000


class Worth(NamedTuple):
    """One column: what a session is worth.

    Attributes:
        column: Its name.
        event: Kind of the outcomes that count.
        value: ``any``: 1 if one of them has a positive reward; ``count``: how many have; ``sum``: of all rewards.
    """

    column: str
    event: str
    value: Literal["any", "count", "sum"]


class SessionTable(NamedTuple):
    """What a session table holds beside unit and variant.

    Attributes:
        worths: Columns of numbers.
        texts: ``device``, ``channel`` or keys of the context, each a column of texts; null where a session has none.
        numbers: Keys of the context, each a column of numbers; null where a session has none.
        steps: Only sessions of these steps; empty: of all.
        without_units: Units that are left out, e.g. testers.
    """

    worths: Sequence[Worth]
    texts: Sequence[str] = ()
    numbers: Sequence[str] = ()
    steps: Sequence[int] = ()
    without_units: Collection[str] = ()


def write_sessions(
    engine: Engine, experiment: str, path: Path, table: SessionTable, *, as_of: int | None = None
) -> int:
    """Write an experiment's sessions; failed and degraded ones are sessions too.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        path: The Parquet file; its folder must exist.
        table: What it holds.
        as_of: The log as it was after so many commits; None: as it is.

    Returns:
        Rows written.

    Raises:
        EventLogError: The log cannot be read.
        OSError: The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = [worth.column for worth in table.worths]
    schema = pa.schema(
        [
            (UNIT, pa.string()),
            (VARIANT, pa.string()),
            *((name, pa.float64()) for name in named),
            *((name, pa.string()) for name in table.texts),
            *((name, pa.float64()) for name in table.numbers),
        ]
    )
    written = 0
    with reading(engine) as connection, pq.ParquetWriter(path, schema) as writer:
        for source in (EXPOSURES, SUPERSEDED) if as_of is not None else (EXPOSURES,):
            for rows in _chunks(connection, _query(source, experiment, table, as_of)):
                writer.write_table(pa.Table.from_pylist([_row(row, table) for row in rows], schema=schema))
                written += len(rows)
    return written


def _query(source: Table, experiment: str, table: SessionTable, as_of: int | None) -> Select[Any]:
    # Of a superseded session nothing could be shown: nobody looks at the context of it.
    kept = source is EXPOSURES
    context = [source.c[name] if kept else literal(None).label(name) for name in (*_FIXED, "context")]
    where = [source.c.experiment == experiment, *then_there(source, as_of)]
    if table.steps:
        where.append(source.c.step.in_(table.steps))
    if table.without_units:
        where.append(source.c.unit_id.not_in(table.without_units))
    worths = [session_worth(source, worth, as_of).label(worth.column) for worth in table.worths]
    return select(source.c.unit_id, source.c.variant, *context, *worths).where(*where)


def session_worth(source: Table, worth: Worth, as_of: int | None) -> ColumnElement[Any]:
    """What a row of ``EXPOSURES`` or ``SUPERSEDED`` is worth by the outcomes of the first ``as_of`` commits, or all."""
    arrived = [] if as_of is None else [OUTCOMES.c.commit_number <= as_of]
    own = and_(OUTCOMES.c.decision_id == source.c.decision_id, OUTCOMES.c.kind == worth.event, *arrived)
    if worth.value == "any":
        return case((exists().where(own, OUTCOMES.c.reward > 0), 1.0), else_=0.0)
    if worth.value == "count":
        return select(func.count()).where(own, OUTCOMES.c.reward > 0).correlate(source).scalar_subquery()
    return select(func.coalesce(func.sum(OUTCOMES.c.reward), 0.0)).where(own).correlate(source).scalar_subquery()


def _chunks(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Any]]:
    result = connection.execution_options(yield_per=_CHUNK).execute(query)
    yield from result.mappings().partitions()


def _row(row: Any, table: SessionTable) -> dict[str, Any]:
    context = row["context"] or {}
    found = {UNIT: row[UNIT], VARIANT: row[VARIANT]}
    found |= {worth.column: float(row[worth.column]) for worth in table.worths}
    found |= {name: _text(row[name] if name in _FIXED else context.get(name)) for name in table.texts}
    return found | {name: _number(context.get(name)) for name in table.numbers}


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
