"""The list of a variant, and what stands in for it where its server fails: a lesser list, in time, rather than none.

In this order: the variant's, the control's, the last one that this user was given, a popular one. Each server has a
circuit breaker, and the whole answer a deadline.
"""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

from core.errors import ServerError
from serving.circuit_breaker import CircuitBreaker, Crowd, State
from serving.metrics import PolicyMetrics
from serving.model_client import Listing, ModelClient
from serving.policy_requests import ChooseRequest
from serving.routing import ActiveRoute, Assignment, Contestant
from serving.spare_lists import PopularList, RememberedLists, spare

#: Of the deadline, kept back for the control where the variant takes all of its time; at most a quarter of it.
STAND_IN_S = 0.5
#: What the log says when a breaker opens.
LEFT_ALONE = "is left alone until it answers again"
#: No server answers in less.
_TOO_LITTLE_S = 0.005
#: Somebody no model knows: what such a user gets is popular.
_NOBODY = "screentest:nobody"
_POPULAR_ITEMS = 100
_MOST_BREAKERS = 64
_NO_LIST = Listing([], [])

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A list and how it came about.

    Attributes:
        listing: Of the variant, or what stood in for it; without items where nobody could give one.
        latency_ms: How long the variant's own server took to answer or to fail; 0 where it was not asked, because it
            had failed just before.
        error: It failed, or was not asked.
        trouble: Why there is no list at all.
        degraded: Whose list stood in: ``control``, ``remembered`` or ``popular``; empty for the variant's own.
        cached: It was made before.
    """

    listing: Listing
    latency_ms: float
    error: bool = False
    trouble: ServerError | None = None
    degraded: str = ""
    cached: bool = False


class Lists:
    """Asks the variants' model servers. Make it inside the event loop that uses it; ``close`` it.

    Args:
        metrics: Counts failed calls.
        model_timeout_s: A model server that has not answered after this has failed.
        deadline_s: What a whole answer may take; what ``best`` and ``controls`` get as ``until`` is as long after the
            request came.
        most_waiting: So many may wait for a server that answers nobody; then others' lists need the places.
        spare_lists: Whether a remembered or a popular list stands in where no model server gives one.
    """

    def __init__(
        self,
        metrics: PolicyMetrics,
        *,
        model_timeout_s: float,
        deadline_s: float,
        most_waiting: int,
        spare_lists: bool = True,
    ) -> None:
        self._metrics = metrics
        self._models = ModelClient(model_timeout_s)
        self._timeout_s = model_timeout_s
        self._reserve_s = min(STAND_IN_S, deadline_s / 4)
        self._spare_lists = spare_lists
        self._most_waiting = most_waiting
        self._breakers: dict[Contestant, CircuitBreaker] = {}
        self._crowds: dict[Contestant, Crowd] = {}
        self._remembered = RememberedLists()
        self._popular = PopularList()

    async def best(self, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest, until: float) -> Answer:
        """The variant's list, or the best that stands in for it; none where there is nothing at all.

        Args:
            active: The route in force.
            assigned: Who gets what.
            asked: The request.
            until: When there must be an answer, by ``time.perf_counter``.
        """
        start = time.perf_counter()
        control = active.contestants[active.control]
        is_control = assigned.server == control
        allowed_s = min(self._timeout_s, until - start - (0.0 if is_control else self._reserve_s))
        if self._may_ask(assigned.server, assigned.variant):
            try:
                listing = await self._ask(assigned.server, assigned.variant, asked, allowed_s)
                return Answer(listing, _ms_since(start))
            except ServerError as error:
                trouble, latency_ms = error, _ms_since(start)
        else:
            trouble, latency_ms = _left_alone(assigned.server), 0.0
        spare, degraded = await self._stand_in(active, None if is_control else control, assigned.server, asked, until)
        if spare is None:
            return Answer(_NO_LIST, latency_ms, error=True, trouble=trouble)
        return Answer(spare, latency_ms, error=True, degraded=degraded)

    async def controls(self, active: ActiveRoute, asked: ChooseRequest, until: float) -> Answer:
        """The control's list, or what stands in for it, whoever asks; arguments as of ``best``."""
        control = active.contestants[active.control]
        start = time.perf_counter()
        listing, degraded = await self._stand_in(active, control, control, asked, until)
        if listing is None:
            trouble = ServerError(f"model server {control.url} gives no list, and no other is known; try again")
            return Answer(_NO_LIST, _ms_since(start), error=True, trouble=trouble)
        return Answer(listing, _ms_since(start), degraded=degraded)

    async def ready(self, active: ActiveRoute) -> bool:
        """Whether the control's server says that it is ready; a popular list stands in where it is not.

        Raises:
            ServerError: It does not, and there is no list to stand in.
        """
        try:
            await self._models.ready(active.contestants[active.control])
        except ServerError:
            if not self._popular.items:
                raise
            return False
        return True

    async def refresh_popular(self, active: ActiveRoute) -> None:
        """Have a popular list of the control's ready, no older than a minute.

        Raises:
            ServerError: The control gives none; the one that is here stays.
        """
        control = active.contestants[active.control]
        if self._spare_lists and self._popular.stale(control, time.monotonic()):
            listing = await self._models.recommend(control, _NOBODY, _POPULAR_ITEMS)
            self._popular.keep(control, listing.items, time.monotonic())

    def states(self, active: ActiveRoute) -> dict[str, State]:
        """How the breaker of each variant's server stands."""
        return {
            variant: self._breakers[server].state if server in self._breakers else "closed"
            for variant, server in active.contestants.items()
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._models.close()

    def _may_ask(self, server: Contestant, variant: str) -> bool:
        breaker = self._breakers.get(server)
        if breaker is None:
            breaker = self._new_breaker(server)
        if not self._crowds[server].is_stuck and breaker.may_call():
            return True
        self._metrics.model_errors.labels(variant, "not_asked").inc()
        return False

    def _new_breaker(self, server: Contestant) -> CircuitBreaker:
        if len(self._breakers) >= _MOST_BREAKERS:
            # Of servers long gone.
            oldest = next(iter(self._breakers))
            del self._breakers[oldest], self._crowds[oldest]
        self._crowds[server] = Crowd(time.monotonic, self._most_waiting, self._timeout_s / 4)
        breaker = self._breakers[server] = CircuitBreaker(time.monotonic)
        return breaker

    async def _ask(
        self, server: Contestant, variant: str, asked: ChooseRequest, allowed_s: float, *, in_a_hurry: bool = False
    ) -> Listing:
        """A server's list, after ``_may_ask``; ``in_a_hurry``: being late with less time than usual is no failure."""
        breaker, crowd = self._breakers[server], self._crowds[server]
        told = answered = False
        crowd.begin()
        try:
            listing = await self._models.recommend(
                server,
                asked.user_id,
                asked.k,
                asked.explain,
                asked.exclude_items,
                timeout_s=max(allowed_s, _TOO_LITTLE_S),
            )
            told = answered = True
            if breaker.succeeded():
                _log.warning("%s: model server %s answers again", variant, server.url)
        except ServerError as error:
            late = isinstance(error.__cause__, TimeoutError)
            self._metrics.model_errors.labels(variant, "late" if late else "failed").inc()
            _log.warning("%s failed: %s", variant, error)
            if not (late and in_a_hurry):
                told = True
                self._note_failure(breaker, server, variant)
            raise
        finally:
            crowd.end(answered=answered)
            if not told:
                breaker.abandoned()
        if self._spare_lists:
            self._remembered.keep(asked.user_id, server, listing.text, asked.explain)
        return listing

    def _note_failure(self, breaker: CircuitBreaker, server: Contestant, variant: str) -> None:
        was_closed = breaker.state == "closed"
        if breaker.failed() and was_closed:
            _log.warning("%s: model server %s %s", variant, server.url, LEFT_ALONE)

    async def _stand_in(
        self, active: ActiveRoute, control: Contestant | None, own: Contestant, asked: ChooseRequest, until: float
    ) -> tuple[Listing | None, str]:
        """The best of the lesser lists, and its name; ``control`` is None where it was asked already."""
        if control is not None:
            allowed_s = min(self._timeout_s, until - time.perf_counter())
            if allowed_s > _TOO_LITTLE_S and self._may_ask(control, active.control):
                hurry = allowed_s < self._timeout_s
                try:
                    return await self._ask(control, active.control, asked, allowed_s, in_a_hurry=hurry), "control"
                except ServerError as error:
                    _log.debug("the control cannot stand in: %s", error)
        if not self._spare_lists:
            return None, ""
        makers = (own, active.contestants[active.control])
        left_out = {str(item) for item in asked.exclude_items}
        found = self._remembered.find(asked.user_id, makers, asked.explain)
        remembered = spare(_without(left_out, found), asked.k)
        if remembered is not None:
            return remembered, "remembered"
        return spare(_without(left_out, self._popular.items), asked.k), "popular"


def _without(left_out: set[str], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if str(item["item_id"]) not in left_out] if left_out else items


def _left_alone(server: Contestant) -> ServerError:
    return ServerError(f"model server {server.url} failed just now and is left alone for a moment; try again")


def _ms_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
