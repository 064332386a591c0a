"""The event log's writer: exposures and outcomes in, acknowledged when they are on disk.

Exposures and outcomes share one queue, so an outcome never overtakes the exposure it belongs to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

import orjson
from sqlalchemy import Connection

from core.errors import BadInput, EventLogError
from events.attribution import Place, place
from events.database import connect, may_pass, open_database, prepare, writing
from events.dialects import database_url, log_name, sqlite_file
from events.group_commit import STALLED_S, GroupCommit
from events.records import Exposure, Outcome, OutcomeReceipt
from events.writer_lock import WriterLock
from events.writer_statements import WriterStatements


class _ExposureRow(NamedTuple):
    """An exposure as the database takes it."""

    values: dict[str, Any]


class _EncodedOutcome(NamedTuple):
    """An outcome whose ``meta`` is JSON text already; where it is filed is found in the transaction."""

    outcome: Outcome
    meta: str


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    """Proves by a commit of its own that the log can be written."""

    ts: float


_Entry: TypeAlias = _ExposureRow | _EncodedOutcome | _Heartbeat
_Receipt: TypeAlias = OutcomeReceipt | None


class EventStore:
    """A writer of an event log.

    A SQLite log has one: a second one on the same file is refused while this one lives. A PostgreSQL log may have
    several, whose commits follow each other; it may go away and come back, what was acknowledged stays.

    Args:
        url: ``sqlite:////absolute/path/events.db``, made if missing, its folder must exist; or
            ``postgresql+psycopg://user:password@host/database``.
        window_s: How long an exposure, for which nobody waits, may wait for company before its commit.
        wait: Begin even if PostgreSQL cannot be reached yet: ``failure`` says so, and the first commit that succeeds
            brings the tables up to date.

    Attributes:
        name: The log in messages: its file, or its URL without the password.

    Raises:
        ConfigError: The URL is neither.
        EventLogError: The database cannot be opened, or it is a SQLite file that another process writes.
    """

    def __init__(self, url: str, *, window_s: float = 0.004, wait: bool = False) -> None:
        self._failure: str | None = None
        self._passing = True
        self._prepared = True
        try:
            self._engine = open_database(url)
        except EventLogError as error:
            if not (wait and may_pass(error) and sqlite_file(database_url(url)) is None):
                raise
            self._engine, self._failure, self._prepared = connect(url), str(error), False
        self.name = log_name(self._engine.url)
        file = sqlite_file(self._engine.url)
        try:
            self._lock = None if file is None else WriterLock(file)
        except EventLogError:
            self._engine.dispose()
            raise
        self._statements = WriterStatements(self._engine.dialect)
        self._queue: GroupCommit[_Entry, _Receipt] = GroupCommit(self._commit, window_s=window_s, may_pass=may_pass)

    @property
    def failure(self) -> str | None:
        """Why the last commit failed, hangs, or why there will be no other; None while the log is well."""
        found = self._queue.failure or self._failure
        if found is None and self._queue.stalled:
            return f"event log {self.name} has not answered for {STALLED_S:g} s"
        return found

    @property
    def lasting(self) -> bool:
        """Whether ``failure`` does not pass by itself: the server that writes the log must be restarted."""
        return self.failure is not None and (self._queue.failure is not None or not self._passing)

    @property
    def waiting(self) -> int:
        """Entries queued and not yet in a commit."""
        return self._queue.waiting

    def record_exposure(self, exposure: Exposure) -> Future[None]:
        """Queue an exposure; the future resolves when it is on disk, which may be when a failing log is back.

        Recording a decision_id again changes nothing: the first stands. Only a failed session in which nothing was
        shown (``error``, no items) is replaced: the caller tried again, and it counts once, as it ended.

        Raises:
            BadInput: Its context or items cannot be JSON, or a text cannot be kept; nothing else is affected.
            EventLogError: The log is closed or too far behind. The future fails with it where the log is closed before
                it is back, or will not be back by itself.
        """
        return cast("Future[None]", self._queue.submit(_exposure_row(exposure), patient=True))

    def record_outcome(self, outcome: Outcome) -> Future[OutcomeReceipt]:
        """Queue an outcome; the future resolves when it is on disk.

        The future fails with BadInput if the outcome contradicts its exposure (another user, arm or item), with
        EventLogError if the disk refused.

        Raises:
            BadInput: Its meta cannot be JSON, or a text cannot be kept; nothing else is affected.
            EventLogError: The log is closed or too far behind.
        """
        texts = ("user_id", "arm", "item_id", "kind", "decision_id")
        _check_texts({name: getattr(outcome, name) for name in texts})
        entry = _EncodedOutcome(outcome, _json(dict(outcome.meta), "meta"))
        return cast("Future[OutcomeReceipt]", self._queue.submit(entry))

    def probe(self) -> Future[None]:
        """Commit a heartbeat: the future resolves if the log can be written, else fails with EventLogError.

        Raises:
            EventLogError: The log is closed or too far behind.
        """
        return cast("Future[None]", self._queue.submit(_Heartbeat(time.time())))

    def close(self) -> None:
        """Commit everything queued, then let another process write. Safe to call twice."""
        self._queue.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def _commit(self, entries: Sequence[_Entry]) -> list[_Receipt | BadInput]:
        """One transaction for the batch; see ``GroupCommit``."""
        try:
            if self._lock is not None:
                self._lock.check()
            if not self._prepared:
                prepare(self._engine)
                self._prepared = True
            with writing(self._engine) as connection:
                receipts = _insert(connection, self._statements, entries)
        except EventLogError as error:
            self._passing = may_pass(error)
            self._failure = str(error)
            raise
        self._failure = None
        return receipts


def _insert(
    connection: Connection, statements: WriterStatements, entries: Sequence[_Entry]
) -> list[_Receipt | BadInput]:
    # One commit after another: whoever knows the last number knows exactly what was there by then.
    number = statements.count_commit(connection)
    exposures = [entry.values for entry in entries if isinstance(entry, _ExposureRow)]
    if exposures:
        statements.insert_exposures(connection, exposures, number)
    beats = [entry for entry in entries if isinstance(entry, _Heartbeat)]
    if beats:
        statements.beat(connection, pid=os.getpid(), ts=beats[-1].ts)
    outcomes = [entry for entry in entries if isinstance(entry, _EncodedOutcome)]
    receipts = iter(_insert_outcomes(connection, statements, outcomes, number))
    return [next(receipts) if isinstance(entry, _EncodedOutcome) else None for entry in entries]


def _insert_outcomes(
    connection: Connection, statements: WriterStatements, entries: Sequence[_EncodedOutcome], commit_number: int
) -> list[OutcomeReceipt | BadInput]:
    if not entries:
        return []
    placed = place(connection, [entry.outcome for entry in entries])
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for (outcome, meta), found in zip(entries, placed, strict=True):
        if isinstance(found, Place):
            # The first of a batch stands, as the first of the log does.
            row = _outcome_row(outcome, meta, found, commit_number)
            rows.setdefault((found.decision_id, outcome.item_id, outcome.kind), row)
    new = statements.insert_outcomes(connection, list(rows.values())) if rows else set()
    receipts: list[OutcomeReceipt | BadInput] = []
    for (outcome, _), found in zip(entries, placed, strict=True):
        if isinstance(found, BadInput):
            receipts.append(found)
            continue
        key = (found.decision_id, outcome.item_id, outcome.kind)
        if key in new:
            new.remove(key)
            receipts.append(OutcomeReceipt("accepted" if found.exposed else "orphan", found.decision_id))
        else:
            receipts.append(OutcomeReceipt("duplicate", found.decision_id))
    return receipts


def _exposure_row(exposure: Exposure) -> _ExposureRow:
    values = {
        "decision_id": exposure.decision_id,
        "experiment": exposure.experiment,
        "unit_id": exposure.unit_id,
        "user_id": exposure.user_id,
        "session_id": exposure.session_id,
        "step": exposure.step,
        "variant": exposure.variant,
        "propensity": exposure.propensity,
        "items_json": _json(list(exposure.items), "items"),
        "n_items": len(exposure.items),
        "context_json": _json(dict(exposure.context), "context"),
        "channel": exposure.channel,
        "device": exposure.device,
        "latency_ms": exposure.latency_ms,
        "error": exposure.error,
        "ts": exposure.ts,
    }
    _check_texts(values)
    return _ExposureRow(values)


def _outcome_row(outcome: Outcome, meta: str, found: Place, commit_number: int) -> dict[str, Any]:
    return {
        "decision_id": found.decision_id,
        "item_id": outcome.item_id,
        "kind": outcome.kind,
        "reward": outcome.reward,
        "user_id": outcome.user_id,
        "arm": found.arm,
        "ts": outcome.ts,
        "meta": meta,
        "commit_number": commit_number,
    }


def _check_texts(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        # PostgreSQL's texts cannot hold it; in a batch it would fail everybody else's too.
        if isinstance(value, str) and "\0" in value:
            raise BadInput(f"{name} == {value!r} holds a NUL character; leave it out")


def _json(value: Mapping[str, Any] | Sequence[Any], name: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise BadInput(f"{name} cannot be kept as JSON: {error}; send a smaller or plainer one") from error
