"""Group commit: many callers, one writer thread, one disk sync for all that wait.

A commit with ``synchronous=FULL`` waits for the disk. Paying that wait per event would cap a server at the disk's
syncs per second; here everything that arrives while one commit is on its way shares the next one. The slower the disk,
the larger the batches.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from core.errors import BadInput, EventLogError

Entry = TypeVar("Entry")
Receipt = TypeVar("Receipt")


class _Waiting(NamedTuple, Generic[Entry, Receipt]):
    entry: Entry
    future: Future[Receipt]
    patient: bool


class GroupCommit(Generic[Entry, Receipt]):
    """A queue whose entries are committed in order, in batches, by one thread.

    Args:
        commit: Commits a batch durably and returns, per entry, its receipt or the reason why this entry alone was
            refused. It raises EventLogError when nothing of the batch was kept. Runs in the writer thread.
        window_s: How long a patient entry waits for company before its batch is committed.
        max_batch: Entries that end the wait early, and the most that share a commit.
        max_waiting: Entries in the queue beyond which new ones are refused, so that a stalled disk sheds load
            instead of filling the memory.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Entry]], Sequence[Receipt | BadInput]],
        *,
        window_s: float = 0.004,
        max_batch: int = 256,
        max_waiting: int = 20_000,
    ) -> None:
        self._commit = commit
        self._window_s = window_s
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._queue: queue.SimpleQueue[_Waiting[Entry, Receipt] | None] = queue.SimpleQueue()
        #: Whether the writer waits for company, and the call that ends its wait.
        self._dozing = False
        self._hurry = threading.Event()
        self._open = True
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._in_flight: list[_Waiting[Entry, Receipt]] = []
        self._thread = threading.Thread(target=self._run, name="event-log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Entries not yet taken into a commit."""
        return self._queue.qsize()

    @property
    def failure(self) -> str | None:
        """Why nothing will be committed any more: the writer thread died; None while it lives or ended in order."""
        return self._failure

    def submit(self, entry: Entry, *, patient: bool = False) -> Future[Receipt]:
        """Queue an entry; the future resolves after the commit that holds it.

        Args:
            entry: What to commit.
            patient: Nobody waits for the future: the entry may wait ``window_s`` for company.

        Raises:
            EventLogError: The log is closed, or too far behind.
        """
        future: Future[Receipt] = Future()
        # A caller that goes away (a dropped connection) must not cancel what is already on its way to the disk.
        future.set_running_or_notify_cancel()
        with self._lock:
            if not self._open:
                raise EventLogError("the event log is closed; restart the server that writes it")
            if self._queue.qsize() >= self._max_waiting:
                raise EventLogError(f"the event log is {self._max_waiting} entries behind; send less, or try later")
            self._queue.put(_Waiting(entry, future, patient))
            # Looked at after the entry is in the queue: the writer looks into the queue after it says that it dozes.
            if self._dozing and (not patient or self._queue.qsize() >= self._max_batch):
                self._hurry.set()
        return future

    def close(self) -> None:
        """Refuse new entries, commit the queued ones, end the thread. Safe to call twice."""
        with self._lock:
            if self._open:
                self._open = False
                self._queue.put(None)
                self._hurry.set()
        self._thread.join()

    def _run(self) -> None:
        died = True
        try:
            while self._take_batch():
                self._commit_batch()
            died = False
        finally:
            # A programming error ends the thread: that must be seen, and nobody may wait forever.
            if died:
                self._fail_the_rest()

    def _take_batch(self) -> bool:
        """Fill ``_in_flight``; False when the queue was closed and is empty."""
        first = self._queue.get()
        if first is None:
            return False
        self._in_flight.append(first)
        if first.patient:
            # Patient entries that follow do not wake this thread: each time it would take the interpreter lock from
            # the thread that answers requests.
            self._dozing = True
            if not self._take_queued():
                self._hurry.wait(self._window_s)
            self._dozing = False
            self._hurry.clear()
        self._take_queued()
        return True

    def _take_queued(self) -> bool:
        """Take what is queued now, up to a full batch; whether it should be committed without waiting for more."""
        while len(self._in_flight) < self._max_batch:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                return not all(waiting.patient for waiting in self._in_flight)
            if following is None:
                self._queue.put(None)
                break
            self._in_flight.append(following)
        return True

    def _commit_batch(self) -> None:
        futures = [waiting.future for waiting in self._in_flight]
        try:
            receipts = self._commit([waiting.entry for waiting in self._in_flight])
        except EventLogError as error:
            for future in futures:
                future.set_exception(error)
        else:
            for future, receipt in zip(futures, receipts, strict=True):
                if isinstance(receipt, BadInput):
                    future.set_exception(receipt)
                else:
                    future.set_result(receipt)
        self._in_flight.clear()

    def _fail_the_rest(self) -> None:
        with self._lock:
            self._open = False
            self._failure = "the event log's writer died; see the server's log, then restart it"
        left = list(self._in_flight)
        while not self._queue.empty():
            queued = self._queue.get_nowait()
            if queued is not None:
                left.append(queued)
        for waiting in left:
            if not waiting.future.done():
                waiting.future.set_exception(EventLogError(self._failure))
