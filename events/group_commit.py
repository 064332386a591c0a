"""Group commit: many callers, one writer thread, one disk sync for all that wait.

A commit with ``synchronous=FULL`` waits for the disk. Paying that wait per event would cap a server at the disk's
syncs per second; here everything that arrives while one commit is on its way shares the next one. The slower the disk,
the larger the batches.

When a commit fails, whoever waits for it is told, and sends again. For patient entries nobody would: they stay in front
of the queue and are tried again until the log is back.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from core.errors import BadInput, EventLogError

#: A commit that takes longer hangs: nobody knows whether, or when, it will end.
STALLED_S = 5.0

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
        may_pass: Whether a failure may pass by itself. A batch with another kind of failure fails whole: tried again,
            it would fail again, and everything behind it with it.
        retry_s: Pause before patient entries of a failed commit are tried again, where nothing new comes before.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Entry]], Sequence[Receipt | BadInput]],
        *,
        window_s: float = 0.004,
        max_batch: int = 256,
        max_waiting: int = 20_000,
        may_pass: Callable[[EventLogError], bool] = lambda _: True,
        retry_s: float = 0.5,
    ) -> None:
        self._commit = commit
        self._window_s = window_s
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._may_pass = may_pass
        self._retry_s = retry_s
        self._queue: queue.SimpleQueue[_Waiting[Entry, Receipt] | None] = queue.SimpleQueue()
        #: Whether the writer waits for company, and the call that ends its wait.
        self._dozing = False
        self._hurry = threading.Event()
        self._open = True
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._in_flight: list[_Waiting[Entry, Receipt]] = []
        #: How many of them are patient ones of a commit that failed.
        self._kept = 0
        #: When the commit under way began, by the monotonic clock; None between commits.
        self._begun_at: float | None = None
        self._trouble = EventLogError("the event log is closed")
        self._thread = threading.Thread(target=self._run, name="event-log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Entries not yet taken into a commit, and those of a failed one that will be tried again."""
        return self._queue.qsize() + self._kept

    @property
    def failure(self) -> str | None:
        """Why nothing will be committed any more: the writer thread died; None while it lives or ended in order."""
        return self._failure

    @property
    def stalled(self) -> bool:
        """Whether a commit has been under way for longer than ``STALLED_S``."""
        begun_at = self._begun_at
        return begun_at is not None and time.monotonic() - begun_at > STALLED_S

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
            if self.waiting >= self._max_waiting:
                raise EventLogError(f"the event log is {self._max_waiting} entries behind; send less, or try later")
            self._queue.put(_Waiting(entry, future, patient))
            # Looked at after the entry is in the queue: the writer looks into the queue after it says that it dozes.
            if self._dozing and (not patient or self._queue.qsize() >= self._max_batch):
                self._hurry.set()
        return future

    def close(self) -> None:
        """Refuse new entries, commit the queued ones, end the thread. Safe to call twice.

        What the log does not take now fails.
        """
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
            if self._in_flight:
                self._commit_batch()
            self._settle_in_flight(self._trouble)
            died = False
        finally:
            # A programming error ends the thread: that must be seen, and nobody may wait forever.
            if died:
                self._fail_the_rest()

    def _take_batch(self) -> bool:
        """Fill ``_in_flight`` behind what was kept; False when the queue was closed and is empty."""
        try:
            first = self._queue.get(timeout=self._retry_s if self._kept else None)
        except queue.Empty:
            return True
        if first is None:
            return False
        self._in_flight.append(first)
        if first.patient and not self._kept:
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
        while len(self._in_flight) < self._max_batch + self._kept:
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
        self._begun_at = time.monotonic()
        try:
            self._commit_or_keep()
        finally:
            self._begun_at = None

    def _commit_or_keep(self) -> None:
        try:
            receipts = self._commit([waiting.entry for waiting in self._in_flight])
        except EventLogError as error:
            self._trouble = error
            if self._may_pass(error):
                self._keep_the_patient(error)
            else:
                self._settle_in_flight(error)
            return
        for waiting, receipt in zip(self._in_flight, receipts, strict=True):
            if isinstance(receipt, BadInput):
                waiting.future.set_exception(receipt)
            else:
                waiting.future.set_result(receipt)
        self._in_flight.clear()
        self._kept = 0

    def _keep_the_patient(self, error: EventLogError) -> None:
        for waiting in self._in_flight:
            if not waiting.patient:
                waiting.future.set_exception(error)
        self._in_flight = [waiting for waiting in self._in_flight if waiting.patient]
        self._kept = len(self._in_flight)

    def _settle_in_flight(self, error: EventLogError) -> None:
        for waiting in self._in_flight:
            waiting.future.set_exception(error)
        self._in_flight.clear()
        self._kept = 0

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
