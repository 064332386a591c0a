"""Sessions of a log that names none: events of a unit without a long pause between them, as one Ibis expression."""

from __future__ import annotations

from typing import Any

from core.errors import ConfigError, DataError
from events.unit_aggregate import named
from events.unit_days import event_seconds

#: What the column of sessions is called.
SESSION = "session"


def with_sessions(table: Any, *, unit: str, time: str, idle_gap: float) -> Any:
    """The table with a column ``session``: numbered from 1 within each unit, in order of time.

    A new one begins where a unit has been idle for longer than ``idle_gap``, as in
    ``experiments.over_time.session_metrics.session_numbers``; null where a row says no time.

    Args:
        table: An Ibis table.
        unit: Column of what was randomised.
        time: Column of times, see ``unit_days.event_seconds``.
        idle_gap: Seconds, above 0.

    Raises:
        ConfigError: idle_gap is not above 0.
        DataError: The table has such a column already, or that of times holds none.
    """
    import ibis

    if not idle_gap > 0:
        raise ConfigError(f"idle_gap == {idle_gap}, must be a number of seconds above 0")
    if SESSION in table.columns:
        raise DataError(f"has a column {SESSION!r} already; name it by --session, or leave the gap out")
    second = event_seconds(table, time).floor()
    rows = table.mutate(__second=second, __unit=named(table, unit))
    order = ibis.window(group_by=rows["__unit"], order_by=rows["__second"])
    before = rows["__second"].lag().over(order)
    rows = rows.mutate(__begins=(before.isnull() | (rows["__second"] - before > idle_gap)).cast("int64"))
    so_far = ibis.window(group_by=rows["__unit"], order_by=rows["__second"], preceding=None, following=0)
    number = rows["__begins"].sum().over(so_far)
    # Rows without a time come last and end no session.
    told = ibis.ifelse(rows["__second"].isnull(), ibis.null("string"), number.cast("string"))
    return rows.mutate(**{SESSION: told}).drop("__second", "__unit", "__begins")
