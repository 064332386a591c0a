"""The policy server's HTTP application: who gets which variant, the list, and what became of it.

The order of things is what makes the log trustworthy: an exposure is queued before its list is answered, or before the
503 where nobody could give one; an outcome is acknowledged after its commit, and both go through one queue.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import EventLogError, Failure, ServerError
from events.records import Exposure
from events.store import EventStore
from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import ERROR_ANSWERS, Json, json_object
from serving.load_shed import LoadShed
from serving.metrics import PolicyMetrics
from serving.model_client import Listing, ModelClient
from serving.policy_replies import Replies, Reply
from serving.policy_requests import ChooseRequest, parse_choose, parse_update
from serving.routing import ActiveRoute, Assignment, Contestant, Routing

POLL_S = 1.0

_log = logging.getLogger(__name__)


class _Answer(NamedTuple):
    """A list and how it came about.

    Attributes:
        listing: Of the variant, or of the champion that stood in; without items where nobody could give one.
        latency_ms: How long the variant's own server took to answer or to fail.
        error: It failed.
        trouble: Why there is no list at all.
    """

    listing: Listing
    latency_ms: float
    error: bool = False
    trouble: ServerError | None = None


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
        self._replies = Replies()
        self._models: ModelClient
        self._loop: asyncio.AbstractEventLoop

    def application(self, pages: Sequence[HttpRoute] = ()) -> ASGIApp:
        """The ASGI application; ``pages`` are further routes, for people."""
        app = DirectPaths({("GET", "/choose"): self._choose_directly}, self._routes(pages))
        return LoadShed(app, ("/choose", "/update"), self._max_under_way, self._metrics.shed)

    def _routes(self, pages: Sequence[HttpRoute]) -> Starlette:
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
        start = time.perf_counter()
        asked = parse_choose(query, self._k)
        known = self._replies.find(asked.decision_id, asked.user_id) if asked.decision_id else None
        if known is not None and known.body:
            return known.body
        active = self._routing.active
        assigned = active.assign(asked.user_id, asked.context)
        if self._store.failure:
            # A list that cannot be recorded would never count; the poll notices when the log is well again.
            raise EventLogError(self._store.failure)
        answer = await self._list(active, assigned, asked)
        decision_id = asked.decision_id or _new_decision_id()
        recorded = self._record(decision_id, active, assigned, asked, answer)
        if answer.trouble is not None:
            if asked.decision_id:
                self._replies.keep(decision_id, Reply(asked.user_id, b""))
            raise answer.trouble
        features = answer.listing.features
        self._metrics.note_list(active.route.experiment, assigned.variant, features, time.perf_counter() - start)
        document = {
            "arm": assigned.variant,
            "items": answer.listing.items,
            "decision_id": decision_id,
            "experiment": active.route.experiment,
            "step": active.route.step_index,
        }
        if features is not None:
            document["features"] = features
        if answer.error:
            document["degraded"] = True
        body = orjson.dumps(document)
        if asked.decision_id:
            body = self._replies.keep(decision_id, Reply(asked.user_id, body)).body
        if known is not None:
            # It failed before: once its list is answered, no look may still find the failure.
            await asyncio.wrap_future(recorded)
        return body

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
        await self._models.ready(active.champion)
        return Json({"ready": True, "experiment": active.route.experiment, "revision": active.route.revision})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _list(self, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest) -> _Answer:
        """The variant's list; the champion's where the challenger fails; none where the champion fails too."""
        start = time.perf_counter()
        try:
            return _Answer(await self._ask(assigned.server, assigned.variant, asked), _ms_since(start))
        except ServerError as error:
            trouble = error
        latency_ms = _ms_since(start)
        if assigned.variant == "challenger":
            try:
                return _Answer(await self._ask(active.champion, "champion", asked), latency_ms, error=True)
            except ServerError as error:
                trouble = error
        return _Answer(Listing([], []), latency_ms, error=True, trouble=trouble)

    async def _ask(self, server: Contestant, variant: str, asked: ChooseRequest) -> Listing:
        try:
            return await self._models.recommend(server, asked.user_id, asked.k)
        except ServerError as error:
            cause = "late" if isinstance(error.__cause__, TimeoutError) else "failed"
            self._metrics.model_errors.labels(variant, cause).inc()
            _log.warning("%s failed: %s", variant, error)
            raise

    def _record(
        self, decision_id: str, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest, answer: _Answer
    ) -> Future[None]:
        # Intention to treat: a session is its variant's, whoever answered in the end, and even if nobody could.
        exposure = Exposure(
            decision_id=decision_id,
            experiment=active.route.experiment,
            unit_id=assigned.unit_id,
            user_id=asked.user_id,
            session_id=asked.session_id,
            step=active.route.step_index,
            variant=assigned.variant,
            propensity=assigned.propensity,
            items=answer.listing.item_ids,
            context=asked.context,
            channel=asked.channel,
            device=asked.device,
            latency_ms=answer.latency_ms,
            error=answer.error,
            ts=time.time(),
        )
        recorded = self._store.record_exposure(exposure)
        recorded.add_done_callback(partial(self._note_if_lost, decision_id))
        return recorded

    def _note_if_lost(self, decision_id: str, recorded: Future[None]) -> None:
        error = recorded.exception()
        if error is not None:
            self._metrics.lost_exposures.inc()
            _log.error("an exposure was lost: %s", error)
            # Called by the log's writer thread; the replies belong to the loop's.
            self._loop.call_soon_threadsafe(self._replies.forget, decision_id)

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

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._models = ModelClient(self._model_timeout_s)
        self._loop = asyncio.get_running_loop()
        with suppress(Failure):
            await self._refresh()
        poll = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poll.cancel()
            await self._models.close()
            # Requests are answered by now; what they queued is committed before the process ends.
            await asyncio.to_thread(self._store.close)


def _new_decision_id() -> str:
    """32 hexadecimal digits: 12 of the time in ms, so that new keys are neighbours in the index, and 20 at random."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def _ms_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
