"""From the event log to the numbers that a look is decided on; every sum is taken in SQL.

A session is one exposure, failed and degraded ones included, of the variant it was assigned to; it is clicked if any
outcome of kind ``click`` with a positive reward is filed under it.
An outcome that came before its exposure counts from the moment the exposure is there: they are joined when read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Engine, and_, case, distinct, exists, func, not_, select

from events.database import reading
from events.schema import EXPOSURES, OUTCOMES

_IS_CLICK = and_(OUTCOMES.c.kind == "click", OUTCOMES.c.reward > 0)
#: Whether an exposure was clicked.
CLICKED = exists().where(and_(OUTCOMES.c.decision_id == EXPOSURES.c.decision_id, _IS_CLICK))
_FAILED = and_(EXPOSURES.c.error, EXPOSURES.c.n_items == 0)


class SessionRows(NamedTuple):
    """Sessions and clicked sessions per unit, step and variant; all arrays have shape (n_groups,).

    Attributes:
        unit_id: str.
        step: int64, 0-based canary step.
        variant: str.
        sessions: int64, at least 1.
        clicked: int64, 0 … sessions.
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
        latency_p95_ms: 95th percentile of its answers, linear between ranks; NaN without sessions.
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


def session_rows(
    engine: Engine,
    experiment: str,
    *,
    variants: Sequence[str] = ("challenger", "control"),
    first: int | None = None,
) -> SessionRows:
    """Sessions per unit, step and variant, ordered by unit, step, variant.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        variants: Those to return; the default leaves out the champion's units, which are not analysed.
        first: Of the experiment's sessions, all variants counted, only so many, the earliest; None: all.

    Returns:
        Empty arrays where nothing is recorded.

    Raises:
        EventLogError: The log cannot be read.
    """
    group = (EXPOSURES.c.unit_id, EXPOSURES.c.step, EXPOSURES.c.variant)
    query = (
        select(*group, func.count(), func.sum(case((CLICKED, 1), else_=0)))
        .where(*_of(experiment, None), EXPOSURES.c.variant.in_(variants), *_earliest(experiment, first))
        .group_by(*group)
        .order_by(*group)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    unit, step, variant, sessions, clicked = zip(*rows, strict=True) if rows else ((),) * 5
    return SessionRows(
        np.array(unit, dtype=np.str_),
        np.array(step, dtype=np.int64),
        np.array(variant, dtype=np.str_),
        np.array(sessions, dtype=np.int64),
        np.array(clicked, dtype=np.int64),
    )


def count_exposures(engine: Engine, experiment: str, *, step: int | None = None) -> int:
    """Sessions on disk, failed ones and all variants counted; of one step, or of all.

    Raises:
        EventLogError: The log cannot be read.
    """
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).where(*_of(experiment, step))) or 0


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


def health(
    engine: Engine, experiment: str, variant: str = "challenger", *, since_step: int = 0, first: int | None = None
) -> Health:
    """Errors, empty lists and latency of one variant, from a step on.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        variant: Whose server.
        since_step: 0-based canary step to begin with.
        first: As in ``session_rows``.

    Raises:
        EventLogError: The log cannot be read.
    """
    where = (
        *_of(experiment, None),
        EXPOSURES.c.variant == variant,
        EXPOSURES.c.step >= since_step,
        *_earliest(experiment, first),
    )
    errors = func.sum(case((EXPOSURES.c.error, 1), else_=0))
    empty = func.sum(case((and_(EXPOSURES.c.n_items == 0, not_(EXPOSURES.c.error)), 1), else_=0))
    with reading(engine) as connection:
        counts = connection.execute(select(errors, empty).where(*where)).one()
        latency_ms = np.array(connection.scalars(select(EXPOSURES.c.latency_ms).where(*where)).all())
    p95 = float(np.percentile(latency_ms, 95)) if len(latency_ms) else float("nan")
    return Health(len(latency_ms), counts[0] or 0, counts[1] or 0, p95)


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


def _earliest(experiment: str, first: int | None) -> list[ColumnElement[bool]]:
    """Nothing, or that a session is among the experiment's first ones."""
    if first is None:
        return []
    earliest = (
        select(EXPOSURES.c.decision_id)
        .where(*_of(experiment, None))
        .order_by(EXPOSURES.c.ts, EXPOSURES.c.decision_id)
        .limit(first)
    )
    return [EXPOSURES.c.decision_id.in_(earliest)]
