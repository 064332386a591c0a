"""The event log's one writer: exposures and outcomes in, acknowledged when they are on disk.

Exposures and outcomes share one queue, so an outcome never overtakes the exposure it belongs to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import orjson
from sqlalchemy import BindParameter, Connection, Text, and_, bindparam, literal_column, select
from sqlalchemy.dialects.sqlite import Insert, dialect, insert

from core.errors import BadInput, EventLogError
from events.attribution import place, recorded_keys
from events.database import database_path, open_database, writing
from events.group_commit import GroupCommit
from events.records import Exposure, Outcome, OutcomeReceipt
from events.schema import COMMITS, EXPOSURES, HEARTBEATS, OUTCOMES, SUPERSEDED
from events.writer_lock import WriterLock


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


_NOTHING_SHOWN = and_(EXPOSURES.c.error, EXPOSURES.c.n_items == literal_column("0"))


def _insert_exposure() -> Insert:
    """The first exposure of a decision stands, unless nothing could be shown: then the next one replaces it."""
    # JSON comes as text, encoded before the queue: what cannot be encoded then fails alone, not with its batch.
    given: dict[str, Any] = {column.name: bindparam(column.name) for column in EXPOSURES.c}
    encoded = {name: bindparam(f"{name}_json", type_=Text()) for name in ("items", "context")}
    statement = insert(EXPOSURES).values(given | encoded)
    replaced = {column.name: statement.excluded[column.name] for column in EXPOSURES.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=["decision_id"], set_=replaced, where=_NOTHING_SHOWN)


def _keep_superseded() -> Insert:
    """What the next exposures replace, kept for whoever wants to see the log as it was before."""
    decisions: BindParameter[list[str]] = bindparam("decision_ids", expanding=True)
    kept = [column.name for column in SUPERSEDED.c if column.name in EXPOSURES.c]
    replaced = select(bindparam("commit_number"), *(EXPOSURES.c[name] for name in kept))
    return insert(SUPERSEDED).from_select(
        ["superseded_by", *kept], replaced.where(EXPOSURES.c.decision_id.in_(decisions), _NOTHING_SHOWN)
    )


def _count_commit() -> str:
    first = insert(COMMITS).values(log="events", commits=1)
    counted = first.on_conflict_do_update(index_elements=["log"], set_={"commits": COMMITS.c.commits + 1})
    return str(counted.returning(COMMITS.c.commits).compile(dialect=dialect(), compile_kwargs={"literal_binds": True}))


# Statements of the hot path are built once: building one costs more than running it. That for exposures, of which there
# is one for each list, is compiled too: its rows go to the driver as they are.
_INSERT_EXPOSURE = str(_insert_exposure().compile(dialect=dialect(paramstyle="named")))
_KEEP_SUPERSEDED = _keep_superseded()
_COUNT_COMMIT = _count_commit()
_INSERT_OUTCOME = insert(OUTCOMES).values(meta=bindparam("meta_json", type_=Text()))


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
        """Why the last commit failed, or why there will be no other; None while the log is well."""
        return self._queue.failure or self._failure

    @property
    def waiting(self) -> int:
        """Entries queued and not yet in a commit."""
        return self._queue.waiting

    def record_exposure(self, exposure: Exposure) -> Future[None]:
        """Queue an exposure; the future resolves when it is on disk.

        Recording a decision_id again changes nothing: the first stands. Only a failed session in which nothing was
        shown (``error``, no items) is replaced: the caller tried again, and it counts once, as it ended.

        Raises:
            BadInput: Its context or items cannot be JSON; nothing else is affected.
            EventLogError: The log is closed or too far behind. A failing disk fails the future with it.
        """
        return cast("Future[None]", self._queue.submit(_exposure_row(exposure), patient=True))

    def record_outcome(self, outcome: Outcome) -> Future[OutcomeReceipt]:
        """Queue an outcome; the future resolves when it is on disk.

        The future fails with BadInput if the outcome contradicts its exposure (another user, arm or item), with
        EventLogError if the disk refused.

        Raises:
            BadInput: Its meta cannot be JSON; nothing else is affected.
            EventLogError: The log is closed or too far behind.
        """
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
    # One writer, one commit after another: whoever knows the last number knows exactly what was there by then.
    number = connection.exec_driver_sql(_COUNT_COMMIT).scalar_one()
    exposures = [{**entry.values, "commit_number": number} for entry in entries if isinstance(entry, _ExposureRow)]
    if exposures:
        decision_ids = [values["decision_id"] for values in exposures]
        connection.execute(_KEEP_SUPERSEDED, {"decision_ids": decision_ids, "commit_number": number})
        connection.exec_driver_sql(_INSERT_EXPOSURE, exposures)
    beats = [entry for entry in entries if isinstance(entry, _Heartbeat)]
    if beats:
        beat = {"writer": "event-log", "pid": os.getpid(), "ts": beats[-1].ts}
        connection.execute(insert(HEARTBEATS).values(beat).on_conflict_do_update(index_elements=["writer"], set_=beat))
    outcomes = [entry for entry in entries if isinstance(entry, _EncodedOutcome)]
    receipts = iter(_insert_outcomes(connection, outcomes, number))
    return [next(receipts) if isinstance(entry, _EncodedOutcome) else None for entry in entries]


def _insert_outcomes(
    connection: Connection, entries: Sequence[_EncodedOutcome], commit_number: int
) -> list[OutcomeReceipt | BadInput]:
    if not entries:
        return []
    placed = place(connection, [entry.outcome for entry in entries])
    decision_ids = {found.decision_id for found in placed if not isinstance(found, BadInput)}
    # Nobody else writes this table (WriterLock): what is not there now is new.
    known = recorded_keys(connection, decision_ids)
    rows: list[dict[str, Any]] = []
    receipts: list[OutcomeReceipt | BadInput] = []
    for (outcome, meta), found in zip(entries, placed, strict=True):
        if isinstance(found, BadInput):
            receipts.append(found)
            continue
        key = (found.decision_id, outcome.item_id, outcome.kind)
        if key in known:
            receipts.append(OutcomeReceipt("duplicate", found.decision_id))
        else:
            known.add(key)
            rows.append(_outcome_row(outcome, meta, found.decision_id) | {"commit_number": commit_number})
            receipts.append(OutcomeReceipt("accepted" if found.exposed else "orphan", found.decision_id))
    if rows:
        connection.execute(_INSERT_OUTCOME, rows)
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
    return _ExposureRow(values)


def _outcome_row(outcome: Outcome, meta: str, decision_id: str) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "item_id": outcome.item_id,
        "kind": outcome.kind,
        "reward": outcome.reward,
        "user_id": outcome.user_id,
        "arm": outcome.arm,
        "ts": outcome.ts,
        "meta_json": meta,
    }


def _json(value: Mapping[str, Any] | Sequence[Any], name: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise BadInput(f"{name} cannot be kept as JSON: {error}; send a smaller or plainer one") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
