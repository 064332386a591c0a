"""From the event log to the numbers that a look is decided on; every sum is taken in SQL.

A session is one exposure, failed and degraded ones included, of the variant it was assigned to; it is clicked if any
outcome of kind ``click`` with a positive reward is filed under it.
An outcome that came before its exposure counts from the moment the exposure is there: they are joined when read.

``as_of`` gives the log as it was after so many commits, to the row: what came later is left out, and a failed session
that was answered later is a failed one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, case, distinct, exists, func, not_, or_, select

from events.database import reading
from events.schema import COMMITS, EXPOSURES, OUTCOMES, SUPERSEDED

_IS_CLICK = and_(OUTCOMES.c.kind == "click", OUTCOMES.c.reward > 0)
#: Whether an exposure was clicked.
CLICKED = exists().where(and_(OUTCOMES.c.decision_id == EXPOSURES.c.decision_id, _IS_CLICK))
_GROUP = ("unit_id", "step", "variant")
_Row: TypeAlias = tuple[str, int, str, int, int]
_FAILED = and_(EXPOSURES.c.error, EXPOSURES.c.n_items == 0)


class SessionRows(NamedTuple):
    """Sessions and clicked sessions per unit, step and variant; all arrays have shape (n_groups,).

    Attributes:
        unit_id: str.
        step: int64, 0-based canary step.
        variant: str.
        sessions: int64, at least 1.
        clicked: int64, 0 … sessions; of those with the event that was asked for.
    """

    unit_id: npt.NDArray[np.str_]
    step: npt.NDArray[np.int64]
    variant: npt.NDArray[np.str_]
    sessions: npt.NDArray[np.int64]
    clicked: npt.NDArray[np.int64]


class Health(NamedTuple):
    """How a variant's server behaved.

    Attributes:
        sessions: Sessions counted.
        errors: Sessions in which its server failed or answered too late.
        empty: Sessions its server answered with an empty list; a failed one is an error and not counted here again.
        latency_p95_ms: 95th percentile of its answers and failures, linear between ranks; NaN without any. A session
            for which its server was not asked (an error at 0 ms) is in ``errors``, not here: nobody knows how long it
            would have taken.
    """

    sessions: int
    errors: int
    empty: int
    latency_p95_ms: float


class RecordedSession(NamedTuple):
    """A session that is on disk.

    Attributes:
        decision_id: Its exposure.
        arm: The variant that answered.
        items: The ids shown, best first; empty also for a session that failed.
        step: 0-based canary step.
        clicked: Whether a click is on disk too.
        failed: No list could be given; asked for again under its decision_id, it counts once, as it ends.
    """

    decision_id: str
    arm: str
    items: list[int | str]
    step: int
    clicked: bool
    failed: bool = False


def commits_so_far(engine: Engine) -> int:
    """How many commits the log has: ``as_of`` this number nothing is left out, whatever comes later.

    Raises:
        EventLogError: The log cannot be read.
    """
    with reading(engine) as connection:
        return connection.scalar(select(COMMITS.c.commits)) or 0


def session_rows(
    engine: Engine,
    experiment: str,
    *,
    variants: Sequence[str] = ("challenger", "control"),
    event: str = "click",
    as_of: int | None = None,
) -> SessionRows:
    """Sessions per unit, step and variant, ordered by unit, step, variant.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        variants: Those to return; the default leaves out the champion's units, which are not analysed.
        event: Kind of the outcomes that ``clicked`` counts sessions with.
        as_of: The log as it was after so many commits; None: as it is.

    Returns:
        Empty arrays where nothing is recorded.

    Raises:
        EventLogError: The log cannot be read.
    """
    with reading(engine) as connection:
        rows = _grouped(connection, EXPOSURES, experiment, variants, event, as_of)
        if as_of is not None:
            rows = _added(rows, _grouped(connection, SUPERSEDED, experiment, variants, event, as_of))
    unit, step, variant, sessions, clicked = zip(*rows, strict=True) if rows else ((),) * 5
    return SessionRows(
        np.array(unit, dtype=np.str_),
        np.array(step, dtype=np.int64),
        np.array(variant, dtype=np.str_),
        np.array(sessions, dtype=np.int64),
        np.array(clicked, dtype=np.int64),
    )


def count_exposures(engine: Engine, experiment: str, *, step: int | None = None, as_of: int | None = None) -> int:
    """Sessions on disk, failed ones and all variants counted; of one step, or of all; ``as_of`` as in ``session_rows``.

    Raises:
        EventLogError: The log cannot be read.
    """
    found = 0
    with reading(engine) as connection:
        for table in (EXPOSURES,) if as_of is None else (EXPOSURES, SUPERSEDED):
            of_step = [] if step is None else [table.c.step == step]
            counted = select(func.count()).where(table.c.experiment == experiment, *of_step, *then_there(table, as_of))
            found += connection.scalar(counted) or 0
    return found


def unit_counts(engine: Engine, experiment: str, *, step: int | None = None) -> dict[str, int]:
    """Distinct units per variant, those whose sessions failed included, of one step or of all.

    A variant without units is missing.

    Raises:
        EventLogError: The log cannot be read.
    """
    query = (
        select(EXPOSURES.c.variant, func.count(distinct(EXPOSURES.c.unit_id)))
        .where(*_of(experiment, step))
        .group_by(EXPOSURES.c.variant)
    )
    with reading(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def count_units(engine: Engine, experiment: str, variant: str | None = None) -> int:
    """Distinct units with a session, of one variant or of all.

    Raises:
        EventLogError: The log cannot be read.
    """
    of_variant = [] if variant is None else [EXPOSURES.c.variant == variant]
    query = select(func.count(distinct(EXPOSURES.c.unit_id))).where(EXPOSURES.c.experiment == experiment, *of_variant)
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def health(
    engine: Engine,
    experiment: str,
    variant: str = "challenger",
    *,
    since_step: int = 0,
    before_step: int | None = None,
    as_of: int | None = None,
) -> Health:
    """Errors, empty lists and latency of one variant, from a step on.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        variant: Whose server.
        since_step: 0-based canary step to begin with.
        before_step: The first step no longer counted; None: to the last.
        as_of: As in ``session_rows``.

    Raises:
        EventLogError: The log cannot be read.
    """

    def counted(table: Table) -> list[ColumnElement[bool]]:
        until = [] if before_step is None else [table.c.step < before_step]
        return [
            table.c.experiment == experiment,
            table.c.variant == variant,
            table.c.step >= since_step,
            *until,
            *then_there(table, as_of),
        ]

    def took(connection: Connection, table: Table) -> Sequence[float]:
        asked = [] if table is SUPERSEDED else [not_(table.c.error)]
        where = (*counted(table), or_(table.c.latency_ms > 0, *asked))
        return connection.scalars(select(table.c.latency_ms).where(*where)).all()

    errors = func.sum(case((EXPOSURES.c.error, 1), else_=0))
    empty = func.sum(case((and_(EXPOSURES.c.n_items == 0, not_(EXPOSURES.c.error)), 1), else_=0))
    with reading(engine) as connection:
        counts = connection.execute(select(func.count(), errors, empty).where(*counted(EXPOSURES))).one()
        latency_ms, failed = [*took(connection, EXPOSURES)], 0
        if as_of is not None:
            failed = connection.scalar(select(func.count()).where(*counted(SUPERSEDED))) or 0
            latency_ms += took(connection, SUPERSEDED)
    p95 = float(np.percentile(latency_ms, 95)) if latency_ms else float("nan")
    return Health(counts[0] + failed, (counts[1] or 0) + failed, counts[2] or 0, p95)


def sessions_recorded(engine: Engine, experiment: str) -> dict[str, RecordedSession]:
    """Every recorded session that named itself, by its session_id; where one was recorded twice, the first.

    Raises:
        EventLogError: The log cannot be read.
    """
    query = (
        select(
            EXPOSURES.c.session_id,
            EXPOSURES.c.decision_id,
            EXPOSURES.c.variant,
            EXPOSURES.c["items"],
            EXPOSURES.c.step,
            case((CLICKED, 1), else_=0),
            _FAILED,
        )
        .where(EXPOSURES.c.experiment == experiment, EXPOSURES.c.session_id.is_not(None))
        .order_by(EXPOSURES.c.ts.desc())
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return {row[0]: RecordedSession(row[1], row[2], row[3], row[4], bool(row[5]), row[6]) for row in rows}


def count_orphans(engine: Engine) -> int:
    """Outcomes whose exposure is not in the log, of all experiments.

    Raises:
        EventLogError: The log cannot be read.
    """
    query = (
        select(func.count())
        .select_from(OUTCOMES)
        .where(~exists().where(EXPOSURES.c.decision_id == OUTCOMES.c.decision_id))
    )
    with reading(engine) as connection:
        return connection.scalar(query) or 0


def _of(experiment: str, step: int | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [EXPOSURES.c.experiment == experiment]
    if step is not None:
        conditions.append(EXPOSURES.c.step == step)
    return conditions


def then_there(table: Table, as_of: int | None) -> list[ColumnElement[bool]]:
    """Conditions on rows of ``EXPOSURES`` or ``SUPERSEDED``: in the log, and standing, after so many commits."""
    if as_of is None:
        return []
    came = table.c.commit_number <= as_of
    return [came] if table is EXPOSURES else [came, table.c.superseded_by > as_of]


def _grouped(
    connection: Connection, table: Table, experiment: str, variants: Sequence[str], event: str, as_of: int | None
) -> list[_Row]:
    group = [table.c[name] for name in _GROUP]
    arrived = [] if as_of is None else [OUTCOMES.c.commit_number <= as_of]
    counts = (OUTCOMES.c.kind == event, OUTCOMES.c.reward > 0, *arrived)
    clicked = exists().where(OUTCOMES.c.decision_id == table.c.decision_id, *counts)
    query = (
        select(*group, func.count(), func.sum(case((clicked, 1), else_=0)))
        .where(table.c.experiment == experiment, table.c.variant.in_(variants), *then_there(table, as_of))
        .group_by(*group)
        .order_by(*group)
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query)]


def _added(rows: list[_Row], others: list[_Row]) -> list[_Row]:
    """Both together, in the order of one query; the others are few."""
    if not others:
        return rows
    counts = {row[:3]: row[3:] for row in rows}
    for unit, step, variant, sessions, clicked in others:
        before = counts.get((unit, step, variant), (0, 0))
        counts[unit, step, variant] = (before[0] + sessions, before[1] + clicked)
    return [(*group, *counted) for group, counted in sorted(counts.items())]
