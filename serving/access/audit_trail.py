"""Writes the audit log behind the requests: nobody waits for it, and a database that is away delays it."""

from __future__ import annotations

import logging
import queue
import threading

from prometheus_client import Counter
from sqlalchemy import Engine

from core.errors import EventLogError
from events.audit import AuditEntry, write_audit

#: Entries that wait while the database is away; later ones are lost, and counted.
MOST_WAITING = 10_000
_TRY_AGAIN_S = 1.0
_CLOSE_S = 5.0

_log = logging.getLogger(__name__)


class AuditTrail:
    """A thread that appends to the audit log.

    Args:
        engine: The event database.
        lost: Counts what could not be kept.
    """

    def __init__(self, engine: Engine, lost: Counter) -> None:
        self._engine = engine
        self._lost = lost
        self._waiting: queue.SimpleQueue[AuditEntry | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write, name="audit trail", daemon=True)
        self._thread.start()

    def add(self, entry: AuditEntry) -> None:
        """Append an entry soon."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._lost.inc()
            return
        self._waiting.put(entry)

    def close(self) -> None:
        """Append what waits; given up after a few seconds."""
        self._ending.set()
        self._waiting.put(None)
        self._thread.join(_CLOSE_S)

    def _write(self) -> None:
        while True:
            entries = [self._waiting.get()]
            while not self._waiting.empty():
                entries.append(self._waiting.get())
            kept = [entry for entry in entries if entry is not None]
            if kept:
                self._append(kept)
            if len(kept) < len(entries):
                return

    def _append(self, entries: list[AuditEntry]) -> None:
        said = False
        while True:
            try:
                write_audit(self._engine, entries)
                return
            except EventLogError as error:
                if self._ending.is_set():
                    self._lost.inc(len(entries))
                    _log.error("%d entries of the audit log are lost: %s", len(entries), error)
                    return
                if not said:
                    _log.warning("the audit log waits: %s", error)
                said = True
            self._ending.wait(_TRY_AGAIN_S)
