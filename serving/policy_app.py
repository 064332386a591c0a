"""The policy server's HTTP application: who gets which variant, the list, and what became of it.

What is recorded when: ``decisions.py``. What is answered while something is down: docs/DEGRADATION.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import EventLogError, Failure, ScreentestError, ServerError
from events.store import EventStore
from serving.circuit_breaker import OPENNESS
from serving.decisions import UNRECORDED, Decision, Decisions
from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import Json, json_object
from serving.list_cache import ListCache
from serving.lists import Lists
from serving.load_shed import LoadShed
from serving.management.application import Management, fastapi_application
from serving.metrics import PolicyMetrics
from serving.policy_requests import parse_choose, parse_update
from serving.recommendation_requests import FEEDBACK, RECOMMENDATIONS
from serving.recommendations import GiveFeedback, Recommend
from serving.routing import Routing
from serving.traceparent import Traced

POLL_S = 1.0
#: What ``/readyz`` waits for the event log: with the model server's time-out less than a probe's own (manifests/).
PROBE_S = 1.0
#: How long a bandit may be behind the event log.
LEARN_S = 0.25

_log = logging.getLogger(__name__)


class Policy:
    """The routes of the policy server.

    Args:
        store: The event log; closed with the application.
        routing: The route in force.
        k: Length of a list where the request names none.
        model_timeout_s: A model server that has not answered after this has failed.
        deadline_s: What a list may take, whoever fails; > 0.
        max_under_way: The most requests for lists at once, and as many for outcomes, >= 1; what is beyond is refused.
        spare_lists: Whether a list remembered for a user, or a popular one, is answered where no model gives one.
    """

    def __init__(
        self,
        store: EventStore,
        routing: Routing,
        *,
        k: int,
        model_timeout_s: float,
        deadline_s: float,
        max_under_way: int,
        spare_lists: bool = True,
        cache: Callable[[CollectorRegistry], ListCache] | None = None,
    ) -> None:
        self._store = store
        self._routing = routing
        self._k = k
        self._model_timeout_s = model_timeout_s
        self._deadline_s = deadline_s
        self._spare_lists = spare_lists
        self._max_under_way = max_under_way
        self._metrics = PolicyMetrics(lambda: store.waiting)
        self._cache = None if cache is None else cache(self._metrics.registry)
        self._posted: dict[str, ASGIApp] = {
            RECOMMENDATIONS: Recommend(lambda: self._decisions, k),
            FEEDBACK: GiveFeedback(lambda: self._decisions),
        }
        self._look: asyncio.Task[Response] | None = None
        self._lists: Lists
        self._decisions: Decisions

    @property
    def counters(self) -> CollectorRegistry:
        """What Prometheus reads."""
        return self._metrics.registry

    async def refresh_route(self) -> None:
        """Obey the routing row as it is now."""
        await self._refresh()

    def application(self, management: Management) -> ASGIApp:
        """The ASGI application; ``management`` is for people, away from the hot path."""
        posted = {"/update": self._update_directly, **self._posted}
        direct = {("GET", "/choose"): self._choose_directly, **{("POST", path): app for path, app in posted.items()}}
        app: ASGIApp = DirectPaths(direct, self._behind(management))
        # Apart: while the event log hangs outcomes wait for it, and lists must not wait behind them.
        for paths in (("/choose", RECOMMENDATIONS), ("/update", FEEDBACK)):
            app = LoadShed(app, paths, self._max_under_way, self._metrics.shed, within_s=self._deadline_s)
        return Traced(app)

    def _behind(self, management: Management) -> FastAPI:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with self._lifespan(app), management.lifespan():
                yield

        routes = [
            HttpRoute("/choose", self.choose, methods=["GET"]),
            HttpRoute("/update", self.update, methods=["POST"]),
            HttpRoute("/routes", self.routes, methods=["GET"]),
            HttpRoute("/routes/refresh", self.refresh, methods=["POST"]),
            HttpRoute("/healthz", self.healthz, methods=["GET"]),
            HttpRoute("/readyz", self.readyz, methods=["GET"]),
            HttpRoute("/metrics", self.metrics, methods=["GET"]),
            # Here for the answer to other methods.
            *(HttpRoute(path, app, methods=["POST"]) for path, app in self._posted.items()),
        ]
        return fastapi_application([*routes, *management.routes], lifespan)

    async def choose(self, request: Request) -> Response:
        """A list for a user, by the variant its unit is assigned to; to a key sent again, what was answered before."""
        return Response(await self._choose(request.query_params), media_type=Json.media_type)

    async def _choose_directly(self, scope: Scope, _receive: Receive, send: Send) -> None:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        await send_json(send, await self._choose(query))

    async def _choose(self, query: Mapping[str, str]) -> bytes:
        return await self._decisions.answer(parse_choose(query, self._k), _told)

    async def update(self, request: Request) -> Response:
        """Acknowledge an outcome once it is on disk."""
        return Response(await self._update(request.receive), media_type=Json.media_type)

    async def _update_directly(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, await self._update(receive))

    async def _update(self, receive: Receive) -> bytes:
        outcome = parse_update(await json_object(receive))
        receipt = await self._decisions.acknowledge(outcome)
        return orjson.dumps({"status": receipt.status, "decision_id": receipt.decision_id})

    async def routes(self, _request: Request) -> Response:
        """The route in force."""
        return Json(vars(self._routing.active.route))

    async def refresh(self, request: Request) -> Response:
        """Obey the routing row as it is now; answers with the route then in force."""
        await self._refresh()
        return await self.routes(request)

    async def healthz(self, _request: Request) -> Response:
        """The process lives."""
        return Json({"alive": True})

    async def readyz(self, _request: Request) -> Response:
        """Something is routed, and there are lists; ``degraded`` says what is missing where they are lesser ones.

        A server taken out because its event log is down would answer nobody, instead of everybody less well.

        Whoever asks while somebody does gets the same answer: strangers may ask, and each look is a commit and a call.
        """
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._readiness())
        return await asyncio.shield(self._look)

    async def _readiness(self) -> Response:
        active = self._routing.active
        degraded = []
        try:
            async with asyncio.timeout(PROBE_S):
                await asyncio.wrap_future(self._store.probe())
        except (EventLogError, TimeoutError):
            if self._store.lasting:
                raise
            degraded.append(UNRECORDED)
        if not await self._lists.ready(active):
            degraded.append("control")
        document = {"ready": True, "experiment": active.route.experiment, "revision": active.route.revision}
        return Json({**document, "degraded": degraded} if degraded else document)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        self._note_states()
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _refresh(self) -> None:
        await self._routing.refresh()
        with suppress(ServerError):
            self._metrics.route_revision.set(self._routing.active.route.revision)
            self._metrics.route_percent.set(self._routing.active.route.percent)

    def _note_states(self) -> None:
        self._metrics.event_log_down.set(self._store.failure is not None)
        self._metrics.breakers.clear()
        with suppress(ServerError):
            for variant, state in self._lists.states(self._routing.active).items():
                self._metrics.breakers.labels(variant).set(OPENNESS[state])

    async def _poll(self) -> None:
        """Heal what a missed refresh or a failed disk left behind; a lasting trouble is logged once."""
        said = ""
        while True:
            trouble = ""
            try:
                if self._store.failure:
                    await asyncio.wrap_future(self._store.probe())
                await self._refresh()
            except ScreentestError as error:
                # Of whatever kind: a server that stops looking obeys no route any more.
                trouble = str(error)
            if trouble and trouble != said:
                _log.warning("%s", trouble)
            if said and not trouble:
                _log.warning("the event database answers again, and its route is obeyed")
            said = trouble
            await asyncio.sleep(POLL_S)

    async def _keep_popular(self) -> None:
        """Have a popular list at hand for when no model server gives one."""
        while True:
            with suppress(ServerError):
                await self._lists.refresh_popular(self._routing.active)
            await asyncio.sleep(POLL_S)

    async def _learn(self) -> None:
        """Keep a bandit up to date; what its log's trouble is, ``_poll`` says."""
        said = ""
        while True:
            await asyncio.sleep(LEARN_S)
            try:
                await self._routing.learn()
                said = ""
            except EventLogError:
                continue
            except ScreentestError as error:
                if str(error) != said:
                    _log.error("the bandit does not learn: %s", error)
                said = str(error)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._lists = Lists(
            self._metrics,
            model_timeout_s=self._model_timeout_s,
            deadline_s=self._deadline_s,
            most_waiting=max(1, self._max_under_way // 2),
            spare_lists=self._spare_lists,
        )
        self._decisions = Decisions(
            self._store, self._routing, self._lists, self._metrics, deadline_s=self._deadline_s, cache=self._cache
        )
        with suppress(Failure):
            await self._refresh()
        tasks = [asyncio.create_task(task) for task in (self._poll(), self._learn(), self._keep_popular())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await self._lists.close()
            if self._cache is not None:
                await self._cache.close()
            # Requests are answered by now; what they queued is committed before the process ends.
            await asyncio.to_thread(self._store.close)


def _told(decision: Decision) -> dict[str, Any]:
    """What ``/choose`` answers."""
    listing = decision.answer.listing
    document: dict[str, Any] = {
        "arm": decision.arm,
        "items": listing.items,
        "decision_id": decision.decision_id,
        "experiment": decision.active.route.experiment,
        "step": decision.step,
    }
    if listing.features is not None:
        document["features"] = listing.features
    if decision.degraded:
        document["degraded"] = decision.degraded
    return document
