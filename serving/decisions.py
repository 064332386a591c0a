"""From a request to a list that counts: who gets which variant, its list, and the exposure in the event log.

The order of things is what makes the log trustworthy: an exposure is queued before its list is answered, or before the
503 where nobody could give one.
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
from events.records import Exposure
from events.store import EventStore
from serving.lists import Answer, Lists
from serving.metrics import PolicyMetrics
from serving.policy_replies import Replies, Reply
from serving.policy_requests import ChooseRequest
from serving.routing import ActiveRoute, Assignment, Routing

_log = logging.getLogger(__name__)


class Decision(NamedTuple):
    """A request answered.

    Attributes:
        decision_id: Key of its exposure.
        active: The route that decided.
        assigned: Who gets what.
        answer: The list.
    """

    decision_id: str
    active: ActiveRoute
    assigned: Assignment
    answer: Answer


class Decisions:
    """Makes decisions and records them. Make it inside the event loop that uses it.

    Args:
        store: The event log.
        routing: The route in force.
        lists: Gives the variants' lists.
        metrics: Counts what is answered.
    """

    def __init__(self, store: EventStore, routing: Routing, lists: Lists, metrics: PolicyMetrics) -> None:
        self._store = store
        self._routing = routing
        self._lists = lists
        self._metrics = metrics
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
            EventLogError: The log does not take exposures.
        """
        start = time.perf_counter()
        known = self._replies.find(asked.decision_id, asked.user_id) if asked.decision_id else None
        if known is not None and known.body:
            return known.body
        active = self._routing.active
        assigned = await active.assign(asked.user_id, asked.context)
        if self._store.failure:
            # A list that cannot be recorded would never count; the poll notices when the log is well again.
            raise EventLogError(self._store.failure)
        answer = await self._lists.best(active, assigned, asked)
        decision = Decision(asked.decision_id or _new_decision_id(), active, assigned, answer)
        recorded = self._record(decision, asked)
        if answer.trouble is not None:
            if asked.decision_id:
                self._replies.keep(decision.decision_id, Reply(asked.user_id, b""))
            raise answer.trouble
        self._metrics.note_list(
            active.route.experiment, assigned.variant, answer.listing.features, time.perf_counter() - start
        )
        body = orjson.dumps(told(decision))
        if asked.decision_id:
            body = self._replies.keep(decision.decision_id, Reply(asked.user_id, body)).body
        if known is not None:
            # It failed before: once its list is answered, no look may still find the failure.
            await asyncio.wrap_future(recorded)
        return body

    def _record(self, decision: Decision, asked: ChooseRequest) -> Future[None]:
        # Intention to treat: a session is its variant's, whoever answered in the end, and even if nobody could.
        assigned, answer = decision.assigned, decision.answer
        exposure = Exposure(
            decision_id=decision.decision_id,
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
        recorded.add_done_callback(partial(self._note_if_lost, decision.decision_id))
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
