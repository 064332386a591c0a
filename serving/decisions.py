"""From a request to a list that counts: who gets which variant, its list, and the exposure in the event log.

The order of things is what makes the log trustworthy: an exposure is queued before its list is answered, or before the
503 where nobody could give one. While the log is down everyone gets the control's list, in no arm: nobody sees what an
experiment tries while nobody can see what comes of it. An outcome is acknowledged after its commit, and takes the same
queue as the exposures.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

import orjson

from core.errors import EventLogError
from events.records import Exposure, Outcome, OutcomeReceipt
from events.store import EventStore
from serving.list_cache import ListCache
from serving.lists import Answer, Lists
from serving.metrics import PolicyMetrics
from serving.policy_replies import Replies, Reply
from serving.policy_requests import ChooseRequest
from serving.routing import ActiveRoute, Assignment, Routing

#: What ``degraded`` says of a list that no exposure tells of.
UNRECORDED = "event_log"
#: An outcome that is not on disk after this is answered with 503; it may still come there.
COMMIT_S = 5.0

_log = logging.getLogger(__name__)


class Decision(NamedTuple):
    """A request answered.

    Attributes:
        decision_id: Key of its exposure; None: there is none, the event log is down, and the session is in no arm.
        active: The route that decided.
        assigned: Who gets what; without an exposure, who would have got what.
        answer: The list.
    """

    decision_id: str | None
    active: ActiveRoute
    assigned: Assignment
    answer: Answer

    @property
    def arm(self) -> str | None:
        """The variant that the session counts for, if it counts."""
        return None if self.decision_id is None else self.assigned.variant

    @property
    def step(self) -> int | None:
        """The step or lane that the session counts in, if it counts."""
        return None if self.decision_id is None else self.assigned.step

    @property
    def degraded(self) -> str:
        """What is less about the answer: ``event_log``, or whose list stood in; empty where nothing is."""
        return UNRECORDED if self.decision_id is None else self.answer.degraded


class Decisions:
    """Makes decisions and records them. Make it inside the event loop that uses it.

    Args:
        store: The event log.
        routing: The route in force.
        lists: Gives the variants' lists.
        metrics: Counts what is answered.
        deadline_s: What an answer may take.
        cache: Of lists, for requests that take one made before; None: there is none.
    """

    def __init__(
        self,
        store: EventStore,
        routing: Routing,
        lists: Lists,
        metrics: PolicyMetrics,
        *,
        deadline_s: float,
        cache: ListCache | None = None,
    ) -> None:
        self._cache = cache
        self._store = store
        self._routing = routing
        self._lists = lists
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._replies = Replies()
        self._loop = asyncio.get_running_loop()

    async def answer(self, asked: ChooseRequest, told: Callable[[Decision], Mapping[str, Any]]) -> bytes:
        """Decide, record, and say it; to a key sent again, what was answered before.

        Args:
            asked: The request.
            told: What the answer says of a decision.

        Returns:
            JSON.

        Raises:
            BadInput: The context lacks the spec's unit.
            ServerError: Nothing is routed, or nobody could give a list.
        """
        start = time.perf_counter()
        until = start + self._deadline_s
        known = self._replies.find(asked.decision_id, asked.user_id, asked.path) if asked.decision_id else None
        if known is not None and known.body:
            return known.body
        active = self._routing.active
        assigned = await active.assign(asked.user_id, asked.context)
        if self._store.failure:
            return await self._unrecorded(active, assigned, asked, told, until)
        answer = await self._list(active, assigned, asked, until)
        decision = Decision(asked.decision_id or _new_decision_id(), active, assigned, answer)
        try:
            recorded = self._record(decision, asked)
        except EventLogError:
            # Too far behind, or closed this very moment.
            return await self._unrecorded(active, assigned, asked, told, until)
        if answer.trouble is not None:
            if asked.decision_id:
                self._replies.keep(decision.decision_id or "", Reply(asked.user_id, b"", asked.path))
            raise answer.trouble
        self._metrics.note_list(
            active.route.experiment, assigned.variant, answer.listing.features, time.perf_counter() - start
        )
        if answer.degraded:
            self._metrics.degraded.labels(assigned.variant, answer.degraded).inc()
        body = orjson.dumps(told(decision))
        if asked.decision_id:
            body = self._replies.keep(asked.decision_id, Reply(asked.user_id, body, asked.path)).body
        if known is not None:
            # It failed before: once its list is answered, no look may still find the failure.
            left_s = max(0.0, until - time.perf_counter())
            for kept in (await asyncio.wait([asyncio.wrap_future(recorded)], timeout=left_s))[0]:
                kept.result()
        return body

    async def acknowledge(self, outcome: Outcome) -> OutcomeReceipt:
        """Record what a user did; return once it is on disk.

        Raises:
            BadInput: It contradicts its exposure, or cannot be kept.
            EventLogError: The log is down, or took too long: it may be recorded, and is to be sent again.
        """
        if self._store.failure:
            raise EventLogError(self._store.failure)
        try:
            async with asyncio.timeout(COMMIT_S):
                receipt = await asyncio.wrap_future(self._store.record_outcome(outcome))
        except TimeoutError as error:
            # It may get there yet, when nobody is left here to forget them.
            await self._forget_lists(outcome.user_id)
            raise EventLogError(f"the event log has not committed within {COMMIT_S:g} s; send it again") from error
        self._metrics.outcomes.labels(receipt.status).inc()
        await self._forget_lists(outcome.user_id)
        return receipt

    async def _forget_lists(self, user_id: str) -> None:
        if self._cache is not None:
            await self._cache.forget(user_id)

    async def _list(self, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest, until: float) -> Answer:
        """The variant's list, made before or now, or what stands in for it."""
        if self._cache is None or not asked.cacheable:
            return await self._lists.best(active, assigned, asked, until)
        start = time.perf_counter()
        looked = await self._cache.find(active, assigned, asked)
        if looked.listing is not None:
            return Answer(looked.listing, 1000 * (time.perf_counter() - start), cached=True)
        answer = await self._lists.best(active, assigned, asked, until)
        # What stood in for the variant's own list is not to last.
        if not answer.error:
            await self._cache.keep(looked, answer.listing)
        return answer

    async def _unrecorded(
        self,
        active: ActiveRoute,
        assigned: Assignment,
        asked: ChooseRequest,
        told: Callable[[Decision], Mapping[str, Any]],
        until: float,
    ) -> bytes:
        """An answer that no exposure tells of. Its key stays new: sent again, it may be recorded."""
        answer = await self._lists.controls(active, asked, until)
        if answer.trouble is not None:
            raise answer.trouble
        self._metrics.degraded.labels("none", UNRECORDED).inc()
        if answer.degraded != "control":
            self._metrics.degraded.labels("none", answer.degraded).inc()
        return orjson.dumps(told(Decision(None, active, assigned, answer)))

    def _record(self, decision: Decision, asked: ChooseRequest) -> Future[None]:
        # Intention to treat: a session is its variant's, whoever answered in the end, and even if nobody could.
        assigned, answer = decision.assigned, decision.answer
        exposure = Exposure(
            decision_id=decision.decision_id or "",
            experiment=decision.active.route.experiment,
            unit_id=assigned.unit_id,
            user_id=asked.user_id,
            session_id=asked.session_id,
            step=assigned.step,
            variant=assigned.variant,
            propensity=assigned.propensity,
            items=answer.listing.item_ids,
            context={**assigned.context, **asked.context} if assigned.context else asked.context,
            channel=asked.channel,
            device=asked.device,
            latency_ms=answer.latency_ms,
            error=answer.error,
            ts=time.time(),
        )
        recorded = self._store.record_exposure(exposure)
        recorded.add_done_callback(partial(self._note_if_lost, exposure.decision_id))
        return recorded

    def _note_if_lost(self, decision_id: str, recorded: Future[None]) -> None:
        error = recorded.exception()
        if error is not None:
            self._metrics.lost_exposures.inc()
            _log.error("an exposure was lost: %s", error)
            # Called by the log's writer thread; the replies belong to the loop's.
            self._loop.call_soon_threadsafe(self._replies.forget, decision_id)


def _new_decision_id() -> str:
    """32 hexadecimal digits: 12 of the time in ms, so that new keys are neighbours in the index, and 20 at random."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
