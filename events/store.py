"""The event log's one writer: exposures and outcomes in, acknowledged when they are on disk.

Exposures and outcomes share one queue, so an outcome never overtakes the exposure it belongs to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from core.errors import BadInput, EventLogError
from events.attribution import place, recorded_keys
from events.database import database_path, open_database, writing
from events.group_commit import GroupCommit
from events.records import Exposure, Outcome, OutcomeReceipt
from events.schema import EXPOSURES, HEARTBEATS, OUTCOMES
from events.writer_lock import WriterLock


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    """Proves by a commit of its own that the log can be written."""

    ts: float


_Entry: TypeAlias = Exposure | Outcome | _Heartbeat
_Receipt: TypeAlias = OutcomeReceipt | None

# Statements of the hot path are built once: building one costs more than running it.
_INSERT_EXPOSURE = insert(EXPOSURES).on_conflict_do_nothing()
_INSERT_OUTCOME = insert(OUTCOMES)


class EventStore:
    """The writer of one event log; a second one on the same file is refused while this one lives.

    Args:
        url: ``sqlite:////absolute/path/events.db``; made if missing, its folder must exist.
        window_s: How long an exposure, for which nobody waits, may wait for company before its commit.

    Raises:
        ConfigError: The URL is not a SQLite file's.
        EventLogError: The file cannot be opened, or another process writes it.
    """

    def __init__(self, url: str, *, window_s: float = 0.004) -> None:
        self.path: Path = database_path(url).absolute()
        self._engine = open_database(url)
        try:
            self._lock = WriterLock(self.path)
        except EventLogError:
            self._engine.dispose()
            raise
        self._file = _identity(self.path)
        self._failure: str | None = None
        self._queue: GroupCommit[_Entry, _Receipt] = GroupCommit(self._commit, window_s=window_s)

    @property
    def failure(self) -> str | None:
        """Why the last commit failed; None while the log is well."""
        return self._failure

    @property
    def waiting(self) -> int:
        """Entries queued and not yet in a commit."""
        return self._queue.waiting

    def record_exposure(self, exposure: Exposure) -> Future[None]:
        """Queue an exposure; the future resolves when it is on disk.

        Recording a decision_id again changes nothing: the first stands.

        Raises:
            EventLogError: The log is closed or too far behind. A failing disk fails the future with it.
        """
        return cast("Future[None]", self._queue.submit(exposure, patient=True))

    def record_outcome(self, outcome: Outcome) -> Future[OutcomeReceipt]:
        """Queue an outcome; the future resolves when it is on disk.

        The future fails with BadInput if the outcome contradicts its exposure (another user, arm or item), with
        EventLogError if the disk refused.

        Raises:
            EventLogError: The log is closed or too far behind.
        """
        return cast("Future[OutcomeReceipt]", self._queue.submit(outcome))

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
        if self._file is not None:
            self._lock.release()
            self._file = None

    def _commit(self, entries: Sequence[_Entry]) -> list[_Receipt | BadInput]:
        """One transaction for the batch; see ``GroupCommit``."""
        try:
            if _identity(self.path) != self._file:
                # SQLite would go on writing into the deleted file, and acknowledge what nobody can ever read.
                raise EventLogError(f"event log {self.path} was removed or replaced; restart the policy server")
            with writing(self._engine) as connection:
                receipts = _insert(connection, entries)
        except EventLogError as error:
            self._failure = str(error)
            raise
        self._failure = None
        return receipts


def _insert(connection: Connection, entries: Sequence[_Entry]) -> list[_Receipt | BadInput]:
    exposures = [_exposure_row(entry) for entry in entries if isinstance(entry, Exposure)]
    if exposures:
        connection.execute(_INSERT_EXPOSURE, exposures)
    beats = [entry for entry in entries if isinstance(entry, _Heartbeat)]
    if beats:
        beat = {"writer": "event-log", "pid": os.getpid(), "ts": beats[-1].ts}
        connection.execute(insert(HEARTBEATS).values(beat).on_conflict_do_update(index_elements=["writer"], set_=beat))
    outcomes = [entry for entry in entries if isinstance(entry, Outcome)]
    receipts = iter(_insert_outcomes(connection, outcomes))
    return [next(receipts) if isinstance(entry, Outcome) else None for entry in entries]


def _insert_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> list[OutcomeReceipt | BadInput]:
    if not outcomes:
        return []
    placed = place(connection, outcomes)
    decision_ids = {found.decision_id for found in placed if not isinstance(found, BadInput)}
    # Nobody else writes this table (WriterLock): what is not there now is new.
    known = recorded_keys(connection, decision_ids)
    rows: list[dict[str, Any]] = []
    receipts: list[OutcomeReceipt | BadInput] = []
    for outcome, found in zip(outcomes, placed, strict=True):
        if isinstance(found, BadInput):
            receipts.append(found)
            continue
        key = (found.decision_id, outcome.item_id, outcome.kind)
        if key in known:
            receipts.append(OutcomeReceipt("duplicate", found.decision_id))
        else:
            known.add(key)
            rows.append(_outcome_row(outcome, found.decision_id))
            receipts.append(OutcomeReceipt("accepted" if found.exposed else "orphan", found.decision_id))
    if rows:
        connection.execute(_INSERT_OUTCOME, rows)
    return receipts


def _exposure_row(exposure: Exposure) -> dict[str, Any]:
    return {
        "decision_id": exposure.decision_id,
        "experiment": exposure.experiment,
        "unit_id": exposure.unit_id,
        "user_id": exposure.user_id,
        "session_id": exposure.session_id,
        "step": exposure.step,
        "variant": exposure.variant,
        "propensity": exposure.propensity,
        "items": list(exposure.items),
        "n_items": len(exposure.items),
        "context": dict(exposure.context),
        "channel": exposure.channel,
        "device": exposure.device,
        "latency_ms": exposure.latency_ms,
        "error": exposure.error,
        "ts": exposure.ts,
    }


def _outcome_row(outcome: Outcome, decision_id: str) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "item_id": outcome.item_id,
        "kind": outcome.kind,
        "reward": outcome.reward,
        "user_id": outcome.user_id,
        "arm": outcome.arm,
        "ts": outcome.ts,
        "meta": dict(outcome.meta),
    }


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
