"""What each lane of an experiment has earned so far, as sums over its units; every sum is taken in SQL."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Engine, Select, func, literal, select

from events.aggregate import then_there
from events.database import reading
from events.schema import EXPOSURES
from events.session_table import Worth, session_worth

#: Of the sums over all variants of a lane.
ALL_VARIANTS = ""


class LaneSums(NamedTuple):
    """Sums over the units of one lane and variant; y is what a unit's sessions are worth, n how many they are.

    Attributes:
        lane: The step of the sessions.
        variant: Which; ``ALL_VARIANTS`` for the lane as a whole.
        units: Units with at least one session.
        sessions: Sum of n.
        worth: Sum of y.
        worth_squared: Sum of y².
        sessions_squared: Sum of n².
        product: Sum of y n.
    """

    lane: int
    variant: str
    units: int
    sessions: int
    worth: float
    worth_squared: float
    sessions_squared: float
    product: float


def lane_sums(
    engine: Engine,
    experiment: str,
    worth: Worth,
    *,
    lanes: Collection[int],
    without_units: Collection[str] = (),
    as_of: int | None = None,
) -> list[LaneSums]:
    """Sums by lane and variant, and by lane.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        worth: What a session is worth.
        lanes: Steps of the sessions that count.
        without_units: Units that are left out, e.g. testers.
        as_of: The log as it was after so many commits; None: as it is. A session that failed first and was answered
            later counts from its answer.

    Returns:
        Ordered by lane and variant, the lane as a whole first; lanes and variants without a session are not there.

    Raises:
        EventLogError: The log cannot be read.
    """
    where = [EXPOSURES.c.experiment == experiment, EXPOSURES.c.step.in_(lanes), *then_there(EXPOSURES, as_of)]
    if without_units:
        where.append(EXPOSURES.c.unit_id.not_in(without_units))
    sessions = (
        select(
            EXPOSURES.c.step.label("lane"),
            EXPOSURES.c.variant,
            EXPOSURES.c.unit_id,
            session_worth(EXPOSURES, worth, as_of).label("y"),
        )
        .where(*where)
        .subquery()
    )
    with reading(engine) as connection:
        found = [
            LaneSums(row[0], row[1], row[2], int(row[3]), *map(float, row[4:]))
            for by_variant in (False, True)
            for row in connection.execute(_sums(sessions, by_variant=by_variant))
        ]
    return sorted(found, key=lambda row: (row.lane, row.variant))


def _sums(sessions: Any, *, by_variant: bool) -> Select[Any]:
    keys = [sessions.c.lane, *([sessions.c.variant] if by_variant else [])]
    unit = (
        select(
            sessions.c.lane,
            (sessions.c.variant if by_variant else literal(ALL_VARIANTS)).label("variant"),
            # Floats, or the squares of PostgreSQL's integers would overflow first.
            (func.count() * 1.0).label("n"),
            (func.sum(sessions.c.y) * 1.0).label("y"),
        )
        .group_by(*keys, sessions.c.unit_id)
        .subquery()
    )
    sums = [
        func.sum(term) for term in (unit.c.n, unit.c.y, unit.c.y * unit.c.y, unit.c.n * unit.c.n, unit.c.y * unit.c.n)
    ]
    return select(unit.c.lane, unit.c.variant, func.count(), *sums).group_by(unit.c.lane, unit.c.variant)
