"""What checks have found: a row per check, subject and window, written again where a window is checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import Engine, delete, select

from events.database import reading, writing
from events.dialects import clock, insert
from events.schema import MONITORING_RESULTS

Status: TypeAlias = Literal["ok", "warning", "alert", "too_few"]
_TABLE = MONITORING_RESULTS


@dataclass(frozen=True)
class MonitoringResult:
    """A check of one subject in one window.

    Attributes:
        name: The check, e.g. "failed_sessions".
        subject: Of what, e.g. "demo/challenger".
        window_start: Seconds since 1970, inclusive.
        window_end: Seconds since 1970, exclusive.
        value: The figure; None where there is none.
        threshold: Beyond which it is an alert; None where the check has none.
        status: ok, warning, alert, or too_few to tell.
        details: What else the check wants to say.
        checked_at: Seconds since 1970, set when recorded.
    """

    name: str
    subject: str
    window_start: float
    window_end: float
    value: float | None
    threshold: float | None
    status: Status
    details: Mapping[str, Any] = field(default_factory=dict)
    checked_at: float = 0.0


def record_results(engine: Engine, results: Sequence[MonitoringResult]) -> None:
    """Keep results; of a check, subject and window that is there already the new one stands.

    Raises:
        EventLogError: The database refused.
    """
    if not results:
        return
    key = [column.name for column in _TABLE.primary_key]
    with writing(engine) as connection:
        now = clock(connection)
        rows = [{**vars(result), "details": dict(result.details), "checked_at": now} for result in results]
        statement = insert(connection.dialect, _TABLE)
        replaced = {column.name: statement.excluded[column.name] for column in _TABLE.c if not column.primary_key}
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), rows)


def list_results(engine: Engine, *, name: str | None = None, limit: int = 100) -> list[MonitoringResult]:
    """The latest results, of one check or of all, the last one first.

    Raises:
        EventLogError: The database cannot be read.
    """
    query = select(_TABLE) if name is None else select(_TABLE).where(_TABLE.c.name == name)
    latest = query.order_by(_TABLE.c.checked_at.desc(), _TABLE.c.window_end.desc(), _TABLE.c.name, _TABLE.c.subject)
    with reading(engine) as connection:
        return [MonitoringResult(**row) for row in connection.execute(latest.limit(limit)).mappings()]


def delete_results(engine: Engine, *, before: float) -> int:
    """Delete results of windows that ended before a time, in seconds since 1970; returns how many.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        return connection.execute(delete(_TABLE).where(_TABLE.c.window_end < before)).rowcount
