"""Requests to train again: written by whoever asks, taken by a worker, one worker each.

    waiting ──claim_retrain──▶ running ──finish_retrain──▶ done | failed
                               │  ▲  └──give_back_retrain──▶ waiting      (its worker was told to stop)
                               └──┘ renew_retrain, every few seconds; a lease that ran out is taken up by the next
                                    claim_retrain: its worker is dead

Who asks: ``request_retrain`` (the same key asks once), ``load_retrain``, ``list_retrains``. The worker: the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Engine, RowMapping, and_, insert, or_, select, update

from core.errors import BadInput, RolloutError
from events.database import reading, writing
from events.dialects import clock, lock_table
from events.schema import RETRAIN_REQUESTS

#: A request whose workers died so often is not tried again: it is what kills them.
MOST_ATTEMPTS = 3
_KEY_LENGTH = 200
_TABLE = RETRAIN_REQUESTS


@dataclass(frozen=True)
class RetrainRequest:
    """A request as the database holds it.

    Attributes:
        id: Counted from 1.
        arguments: What is asked for; see ``wrappers.retrain_arguments``.
        reason: Why, in the words of whoever asks.
        requested_by: Who asks.
        key: Whoever sends it again means the same request; None: each sending is a request.
        state: waiting, running, done or failed.
        attempts: How often it was taken.
        worker: Who has it, or had it last; None before.
        lease_until: Seconds since 1970 at which the worker counts as dead; None where nobody has it.
        progress: How far it is, in a line.
        message: How it ended, in a line.
        run: Folder of the run that it became, or has become last.
        result: Of a run that is done: pinned URIs ``champion`` and ``challenger`` (empty: none passed), and ``reason``.
        requested_at: Seconds since 1970.
        started_at: Seconds since 1970, of the last attempt.
        finished_at: Seconds since 1970.
    """

    id: int
    arguments: Mapping[str, Any]
    reason: str
    requested_by: str
    key: str | None = None
    state: str = "waiting"
    attempts: int = 0
    worker: str | None = None
    lease_until: float | None = None
    progress: str = ""
    message: str = ""
    run: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    requested_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None


def request_retrain(
    engine: Engine,
    arguments: Mapping[str, Any],
    *,
    requested_by: str,
    reason: str = "",
    key: str | None = None,
) -> RetrainRequest:
    """Ask for a training run.

    Args:
        engine: From ``open_database``.
        arguments: What is asked for, as JSON has it; checked by the caller.
        requested_by: Who asks, e.g. the name of an API key.
        reason: Why, for people.
        key: Of the caller's making, at most 200 characters: a request that has it already is returned as it stands.

    Returns:
        The request, ``waiting``; or, of a key that is known, however far that one is.

    Raises:
        BadInput: The key is empty, too long, or was used to ask for something else.
        EventLogError: The database refused.
    """
    if key is not None and not 0 < len(key) <= _KEY_LENGTH:
        raise BadInput(f"idempotency key of {len(key)} characters, must be of 1 … {_KEY_LENGTH}")
    for name, value in (("reason", reason), ("requested_by", requested_by), ("key", key or "")):
        if "\0" in value:
            raise BadInput(f"{name} == {value!r} holds a NUL character; leave it out")
    with writing(engine) as connection:
        lock_table(connection, _TABLE)
        known = None if key is None else _found(connection, _TABLE.c.key == key)
        if known is not None:
            if dict(known.arguments) != dict(arguments):
                raise BadInput(
                    f"idempotency key {key!r} asked for {dict(known.arguments)} before (request {known.id}); take "
                    "another key for another request"
                )
            return known
        values = {
            "key": key,
            "arguments": dict(arguments),
            "reason": reason,
            "requested_by": requested_by,
            "state": "waiting",
            "attempts": 0,
            "progress": "",
            "message": "",
            "run": "",
            "result": {},
            "requested_at": clock(connection),
        }
        row = connection.execute(insert(_TABLE).values(values).returning(*_TABLE.c)).mappings().one()
        return _request(row)


def load_retrain(engine: Engine, request_id: int) -> RetrainRequest | None:
    """The request of that number, or None.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        return _found(connection, _TABLE.c.id == request_id)


def list_retrains(engine: Engine, *, limit: int = 50) -> list[RetrainRequest]:
    """The latest requests, the last one first.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        rows = connection.execute(select(_TABLE).order_by(_TABLE.c.id.desc()).limit(limit)).mappings()
        return [_request(row) for row in rows]


def claim_retrain(engine: Engine, worker: str, *, lease_s: float) -> RetrainRequest | None:
    """Take the oldest request that waits, or whose worker is dead; no two workers get the same.

    One that ``MOST_ATTEMPTS`` workers died over is marked failed on the way.

    Args:
        engine: From ``open_database``.
        worker: Unique name of the worker.
        lease_s: How long it is the worker's unless renewed.

    Returns:
        The request, ``running`` now; None where there is nothing to do.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        now = clock(connection)
        dead = and_(_TABLE.c.state == "running", _TABLE.c.lease_until < now)
        connection.execute(
            update(_TABLE)
            .where(dead, _TABLE.c.attempts >= MOST_ATTEMPTS)
            .values(
                state="failed",
                lease_until=None,
                finished_at=now,
                message=f"its worker died {MOST_ATTEMPTS} times while it ran; look for what killed it (memory?)",
            )
        )
        free = (
            select(_TABLE.c.id)
            .where(or_(_TABLE.c.state == "waiting", dead))
            .order_by(_TABLE.c.id)
            .limit(1)
            # Another worker's is passed over instead of waited for; on SQLite the transaction is alone anyway.
            .with_for_update(skip_locked=True)
        )
        request_id = connection.scalar(free)
        if request_id is None:
            return None
        taken = {
            "state": "running",
            "worker": worker,
            "lease_until": now + lease_s,
            "attempts": _TABLE.c.attempts + 1,
            "started_at": now,
            "progress": "taken",
            "message": "",
        }
        statement = update(_TABLE).where(_TABLE.c.id == request_id).values(taken).returning(*_TABLE.c)
        return _request(connection.execute(statement).mappings().one())


def renew_retrain(
    engine: Engine, request_id: int, worker: str, *, lease_s: float, progress: str = "", run: str = ""
) -> bool:
    """Prove that the worker lives, and tell how far it is.

    Args:
        engine: From ``open_database``.
        request_id: The request.
        worker: Who claimed it.
        lease_s: From now on.
        progress: In a line; empty: as before.
        run: Folder of the run; empty: as before.

    Returns:
        False: it is not this worker's any more; stop working on it.

    Raises:
        EventLogError: The database refused.
    """
    told = {name: value for name, value in (("progress", progress), ("run", run)) if value}
    with writing(engine) as connection:
        values = {**told, "lease_until": clock(connection) + lease_s}
        return connection.execute(_mine(request_id, worker).values(values)).rowcount == 1


def finish_retrain(
    engine: Engine,
    request_id: int,
    worker: str,
    state: Literal["done", "failed"],
    *,
    message: str,
    result: Mapping[str, Any] | None = None,
) -> RetrainRequest:
    """Tell how it ended.

    Args:
        engine: From ``open_database``.
        request_id: The request.
        worker: Who claimed it.
        state: What it becomes.
        message: Why, in a line.
        result: See ``RetrainRequest.result``.

    Raises:
        RolloutError: It is not this worker's any more.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        values = {
            "state": state,
            "message": message,
            "result": dict(result or {}),
            "lease_until": None,
            "finished_at": clock(connection),
            "progress": "finished",
        }
        return _changed(connection, request_id, worker, values)


def give_back_retrain(engine: Engine, request_id: int, worker: str) -> RetrainRequest:
    """Let another worker take it: this one was told to stop. The attempt does not count.

    Raises:
        RolloutError: It is not this worker's any more.
        EventLogError: The database refused.
    """
    values = {
        "state": "waiting",
        "lease_until": None,
        "attempts": _TABLE.c.attempts - 1,
        "progress": "given back: its worker was stopped",
    }
    with writing(engine) as connection:
        return _changed(connection, request_id, worker, values)


def _mine(request_id: int, worker: str) -> Any:
    table = _TABLE.c
    return update(_TABLE).where(table.id == request_id, table.state == "running", table.worker == worker)


def _changed(connection: Connection, request_id: int, worker: str, values: Mapping[str, Any]) -> RetrainRequest:
    row = connection.execute(_mine(request_id, worker).values(values).returning(*_TABLE.c)).mappings().first()
    if row is None:
        raise RolloutError(f"retrain request {request_id} is no longer that of worker {worker!r}: its lease ran out")
    return _request(row)


def _found(connection: Connection, condition: Any) -> RetrainRequest | None:
    row = connection.execute(select(_TABLE).where(condition)).mappings().first()
    return None if row is None else _request(row)


def _request(row: RowMapping) -> RetrainRequest:
    return RetrainRequest(**row)
