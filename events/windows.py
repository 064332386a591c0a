"""Sessions of a window of time, added up by experiment and variant."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, case, func, select

from events.database import reading
from events.schema import EXPOSURES


class WindowSessions(NamedTuple):
    """What a variant had in a window.

    Attributes:
        experiment: The spec's name.
        variant: The variant.
        sessions: Failed and degraded ones included.
        failed: Of them, those whose server failed.
    """

    experiment: str
    variant: str
    sessions: int
    failed: int


def sessions_between(engine: Engine, since: float, until: float) -> list[WindowSessions]:
    """Sessions by experiment and variant, ordered by both; a variant without any is missing.

    Args:
        engine: From ``open_database``.
        since: Seconds since 1970, inclusive.
        until: Seconds since 1970, exclusive.

    Raises:
        EventLogError: The log cannot be read.
    """
    group = (EXPOSURES.c.experiment, EXPOSURES.c.variant)
    failed = func.sum(case((EXPOSURES.c.error, 1), else_=0))
    query = select(*group, func.count(), failed).where(EXPOSURES.c.ts >= since, EXPOSURES.c.ts < until)
    with reading(engine) as connection:
        return [WindowSessions(*row) for row in connection.execute(query.group_by(*group).order_by(*group))]
