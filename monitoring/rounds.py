"""Jobs on a timer, side by side: what one of them lacks (MLflow, say) holds up no other.

Each job has a thread of its own. A round that fails is told once, is tried again in growing pauses, and told again
when it works. A job that only one worker may do has a lease in the database, renewed while its round lasts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from sqlalchemy import Engine

from core.errors import EventLogError, ScreentestError
from events.worker_jobs import claim_job, note_round, release_job

_log = logging.getLogger(__name__)

#: A worker that ends without a word is replaced after this; one that is told to stop lets go at once.
LEASE_S = 30.0
_TICK_S = 1.0
_LONGEST_PAUSE_S = 60.0
#: A job that goes well says so in the database no more often than this.
_NOTED_EVERY_S = 3.0


@dataclass(frozen=True)
class Job:
    """Something to do again and again.

    Attributes:
        name: What messages and the database call it.
        every_s: Pause between two rounds, seconds.
        round: Does it once; raises a ScreentestError where it cannot.
        alone: One worker at a time does it.
    """

    name: str
    every_s: float
    round: Callable[[], object]
    alone: bool = True


class Rounds:
    """Does jobs until it is told to stop.

    Args:
        engine: Of the event database.
        worker: Unique name of this worker.
        jobs: What it does.
        stopped: Set: the rounds that are under way end, no other begins. Set by this too, where a job ends by an error
            that nobody expected.
        alive: Called about every second while all is well with the threads.
    """

    def __init__(
        self,
        engine: Engine,
        worker: str,
        jobs: Sequence[Job],
        *,
        stopped: Event,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._jobs = jobs
        self._alive = alive
        self._stopped = stopped
        #: Job to when its lease was last taken; missing: it is another worker's, or nobody's.
        self._held: dict[str, float] = {}

    def run(self, *, once: bool = False) -> bool:
        """Do the jobs until ``stopped``, or each of them once.

        Returns:
            Whether the last round of every job went well; a job that is another worker's does.
        """
        with ThreadPoolExecutor(len(self._jobs), thread_name_prefix="job") as threads:
            loops = [threads.submit(self._loop, job, once) for job in self._jobs]
            try:
                self._watch(loops)
            finally:
                self._stopped.set()
        for job in self._jobs:
            if self._held.pop(job.name, None) is not None:
                with suppress(EventLogError):
                    release_job(self._engine, job.name, self._worker)
        went_well = [loop.result() for loop in loops]
        return all(went_well)

    def _watch(self, loops: Sequence[Future[bool]]) -> None:
        """Until all loops have ended, or one of them by an error that nobody expected: keep the leases."""
        renewed = time.monotonic()
        while True:
            self._alive()
            done, running = wait(loops, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
            if not running or any(loop.exception() for loop in done):
                return
            if time.monotonic() - renewed > LEASE_S / 3:
                renewed = time.monotonic()
                for name in list(self._held):
                    with suppress(EventLogError):
                        self._claim(name)

    def _loop(self, job: Job, once: bool) -> bool:
        failures, told, noted = 0, "", 0.0
        while True:
            failure = self._attempt(job)
            failures = failures + 1 if failure else 0
            if failure != told:
                self._tell(job, failure, told)
            if failure != told or time.monotonic() - noted > _NOTED_EVERY_S:
                noted = time.monotonic()
                with suppress(EventLogError):
                    note_round(self._engine, job.name, self._worker, failure=failure)
            told = failure
            if once or self._stopped.wait(pause_s(job.every_s, failures)):
                return not failure

    def _attempt(self, job: Job) -> str:
        """One round; why it failed, in a line, else nothing."""
        try:
            if job.alone and not self._mine(job.name):
                return ""
            job.round()
        except ScreentestError as error:
            return " ".join(str(error).split())
        return ""

    def _mine(self, name: str) -> bool:
        taken = self._held.get(name)
        if taken is not None and time.monotonic() - taken < LEASE_S / 2:
            return True
        return self._claim(name)

    def _claim(self, name: str) -> bool:
        now = time.monotonic()
        mine = claim_job(self._engine, name, self._worker, lease_s=LEASE_S)
        if mine:
            self._held[name] = now
        else:
            self._held.pop(name, None)
        return mine

    def _tell(self, job: Job, failure: str, told: str) -> None:
        if failure:
            _log.error("%s failed, is tried again: %s", job.name, failure)
        elif told:
            _log.warning("%s works again", job.name)


def pause_s(every_s: float, failures: int) -> float:
    """Seconds until the next round, after so many failures in a row: doubled by each, up to a minute."""
    # An MLflow that is away over a weekend has failed more often than a float has powers of two.
    return min(every_s * 2.0 ** min(failures, 30), max(every_s, _LONGEST_PAUSE_S))
