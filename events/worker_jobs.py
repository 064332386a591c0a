"""What workers do on a timer: one worker at a time does a job, and its place in the log survives it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, or_, select, update

from events.database import reading, writing
from events.dialects import clock, insert
from events.schema import WORKER_JOBS

_JOBS = WORKER_JOBS.c
#: Before the first commit: rows from before commits were counted have number 0.
NOTHING_READ = -1


@dataclass(frozen=True)
class JobRecord:
    """A job as the database holds it.

    Attributes:
        job: Its name.
        id: The job's own for good, also where another event database has a job of that name.
        worker: Who does it, or did it last.
        lease_until: Seconds since 1970 from which on another may take it.
        position: How far it is; a commit number, or ``NOTHING_READ``.
        ran_at: Seconds since 1970 of the last round that succeeded; None before.
        failure: Why the last round failed; empty: it did not.
    """

    job: str
    id: str
    worker: str
    lease_until: float
    position: int
    ran_at: float | None
    failure: str


def claim_job(engine: Engine, job: str, worker: str, *, lease_s: float) -> bool:
    """Take a job, or keep it.

    Args:
        engine: From ``open_database``.
        job: Its name.
        worker: Unique name of the worker.
        lease_s: How long nobody else may take it.

    Returns:
        False: another worker has it.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        now = clock(connection)
        _ensure(connection, job)
        free = or_(_JOBS.worker == worker, _JOBS.lease_until < now)
        values = {"worker": worker, "lease_until": now + lease_s}
        return connection.execute(update(WORKER_JOBS).where(_JOBS.job == job, free).values(values)).rowcount == 1


def release_job(engine: Engine, job: str, worker: str) -> None:
    """Let another worker take the job at once; nothing happens where it is another's already.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        mine = update(WORKER_JOBS).where(_JOBS.job == job, _JOBS.worker == worker)
        connection.execute(mine.values(lease_until=0.0))


def note_round(engine: Engine, job: str, worker: str, *, failure: str = "") -> None:
    """Keep how a round ended, for whoever looks; not where the job is another worker's by now.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        values = {"failure": failure} | ({} if failure else {"ran_at": clock(connection)})
        connection.execute(update(WORKER_JOBS).where(_JOBS.job == job, _JOBS.worker == worker).values(values))


def load_job(engine: Engine, job: str) -> JobRecord:
    """A job; one that nobody has taken yet is made.

    Raises:
        EventLogError: The database refused.
    """
    with reading(engine) as connection:
        row = connection.execute(select(WORKER_JOBS).where(_JOBS.job == job)).mappings().first()
    if row is None:
        with writing(engine) as connection:
            _ensure(connection, job)
            row = connection.execute(select(WORKER_JOBS).where(_JOBS.job == job)).mappings().one()
    return JobRecord(**row)


def advance(connection: Connection, job: str, *, since: int, to: int) -> bool:
    """Move a job's place on, in the transaction of what was made of the log in between.

    Args:
        connection: Of ``writing``.
        job: Its name; the job exists.
        since: Where it was when the log was read.
        to: Where it is now.

    Returns:
        False: somebody else has moved it meanwhile; what was made must not be kept.
    """
    there = update(WORKER_JOBS).where(_JOBS.job == job, _JOBS.position == since)
    return connection.execute(there.values(position=to)).rowcount == 1


def _ensure(connection: Connection, job: str) -> None:
    values = {
        "job": job,
        "id": uuid.uuid4().hex,
        "worker": "",
        "lease_until": 0.0,
        "position": NOTHING_READ,
        "failure": "",
    }
    connection.execute(insert(connection.dialect, WORKER_JOBS).values(values).on_conflict_do_nothing())
