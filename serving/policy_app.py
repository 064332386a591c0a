"""The policy server's HTTP application: who gets which variant, the list, and what became of it.

An outcome is acknowledged after its commit, and takes the same queue as the exposures: see ``decisions.py`` for those.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import EventLogError, Failure, ServerError
from events.store import EventStore
from serving.decisions import Decision, Decisions
from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import ERROR_ANSWERS, Json, json_object
from serving.lists import Lists
from serving.load_shed import LoadShed
from serving.metrics import PolicyMetrics
from serving.policy_requests import parse_choose, parse_update
from serving.routing import Routing

POLL_S = 1.0
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
        max_under_way: The most requests for lists and updates at once, >= 1; what is beyond is refused.
    """

    def __init__(
        self, store: EventStore, routing: Routing, *, k: int, model_timeout_s: float, max_under_way: int
    ) -> None:
        self._store = store
        self._routing = routing
        self._k = k
        self._model_timeout_s = model_timeout_s
        self._max_under_way = max_under_way
        self._metrics = PolicyMetrics(lambda: store.waiting)
        self._lists: Lists
        self._decisions: Decisions

    @property
    def counters(self) -> CollectorRegistry:
        """What Prometheus reads."""
        return self._metrics.registry

    def application(self, pages: Sequence[BaseRoute] = ()) -> ASGIApp:
        """The ASGI application; ``pages`` are further routes, for people."""
        app = DirectPaths({("GET", "/choose"): self._choose_directly}, self._routes(pages))
        return LoadShed(app, ("/choose", "/update"), self._max_under_way, self._metrics.shed)

    def _routes(self, pages: Sequence[BaseRoute]) -> Starlette:
        return Starlette(
            routes=[
                HttpRoute("/choose", self.choose, methods=["GET"]),
                HttpRoute("/update", self.update, methods=["POST"]),
                HttpRoute("/routes", self.routes, methods=["GET"]),
                HttpRoute("/routes/refresh", self.refresh, methods=["POST"]),
                HttpRoute("/healthz", self.healthz, methods=["GET"]),
                HttpRoute("/readyz", self.readyz, methods=["GET"]),
                HttpRoute("/metrics", self.metrics, methods=["GET"]),
                *pages,
            ],
            exception_handlers=ERROR_ANSWERS,
            lifespan=self._lifespan,
        )

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
        outcome = parse_update(await json_object(request.receive))
        receipt = await asyncio.wrap_future(self._store.record_outcome(outcome))
        self._metrics.outcomes.labels(receipt.status).inc()
        return Json({"status": receipt.status, "decision_id": receipt.decision_id})

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
        """The event log takes a commit, something is routed, and the champion answers."""
        await asyncio.wrap_future(self._store.probe())
        active = self._routing.active
        await self._lists.ready(active)
        return Json({"ready": True, "experiment": active.route.experiment, "revision": active.route.revision})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _refresh(self) -> None:
        await self._routing.refresh()
        with suppress(ServerError):
            self._metrics.route_revision.set(self._routing.active.route.revision)
            self._metrics.route_percent.set(self._routing.active.route.percent)

    async def _poll(self) -> None:
        """Heal what a missed refresh or a failed disk left behind; a lasting trouble is logged once."""
        said = ""
        while True:
            trouble = ""
            try:
                await self._refresh()
                if self._store.failure:
                    await asyncio.wrap_future(self._store.probe())
            except Failure as error:
                trouble = str(error)
            if trouble and trouble != said:
                _log.warning("%s", trouble)
            said = trouble
            await asyncio.sleep(POLL_S)

    async def _learn(self) -> None:
        """Keep a bandit up to date; what its log's trouble is, ``_poll`` says."""
        while True:
            await asyncio.sleep(LEARN_S)
            with suppress(EventLogError):
                await self._routing.learn()

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._lists = Lists(self._metrics, model_timeout_s=self._model_timeout_s)
        self._decisions = Decisions(self._store, self._routing, self._lists, self._metrics)
        with suppress(Failure):
            await self._refresh()
        tasks = [asyncio.create_task(task) for task in (self._poll(), self._learn())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await self._lists.close()
            # Requests are answered by now; what they queued is committed before the process ends.
            await asyncio.to_thread(self._store.close)


def _told(decision: Decision) -> dict[str, Any]:
    """What ``/choose`` answers."""
    listing = decision.answer.listing
    document: dict[str, Any] = {
        "arm": decision.assigned.variant,
        "items": listing.items,
        "decision_id": decision.decision_id,
        "experiment": decision.active.route.experiment,
        "step": decision.assigned.step,
    }
    if listing.features is not None:
        document["features"] = listing.features
    if decision.answer.error:
        document["degraded"] = True
    return document
