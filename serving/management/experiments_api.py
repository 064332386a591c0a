"""Experiments over HTTP: read, create, change, delete, start, pause, stop, and what came out.

GET    /experiments?kind=fixed            every experiment in a few facts, the one made last first
POST   /experiments                       a spec: a draft of an A/B/n test or a bandit
GET    /experiments/{name}                one of them; a rollout with looks, steps, and what they mean in words
PUT    /experiments/{name}                another spec for a draft
DELETE /experiments/{name}                forget one that nobody has seen
GET    /experiments/{name}/users          users of its latest sessions
GET    /experiments/{name}/results        both lanes, and the analysis of the fixed one
POST   /experiments/{name}/start          {"servers": {variant: address}}; pause, stop: no body
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from core.errors import RolloutError, ServerError
from events.aggregate import count_exposures
from events.experiments import ExperimentRecord, delete_experiment
from events.recent import recent_users
from events.rollouts import RolloutRecord
from experiments.spec import ExperimentSpec
from serving import experiment_lifecycle as lifecycle
from serving.experiment_documents import detail_document
from serving.experiment_states import find, names, summaries
from serving.http_errors import Json
from serving.management import answers
from serving.management.back_office import BackOffice
from serving.management.body_route import api_router
from serving.management.desk import Desk
from serving.rollout_pages import RolloutPages

DEFAULT_USERS = 50
MAX_USERS = 1000
#: Of an analysis; a log of millions of sessions takes half a minute.
RESULTS_TIMEOUT_S = 120.0

_EXAMPLE = {
    "name": "fresh-list",
    "variants": {"control": "models:/recommender/3", "fresh": "models:/recommender/4"},
    "traffic": {"policy": "fixed"},
}
Name = Annotated[str, Path(description="The experiment's name, as its spec says it.")]
Spec = Annotated[ExperimentSpec, Body(openapi_examples={"an A/B test": {"value": _EXAMPLE}})]
#: Where to go with what was made, for clients and tests that follow the document.
_MADE: dict[int | str, dict[str, Any]] = {
    201: {
        "links": {
            action: {"operationId": f"experiments_{action}", "parameters": {"name": "$response.body#/experiment"}}
            for action in ("experiment", "change", "delete", "users", "results", "start", "pause", "stop")
        }
    }
}
#: After a pause nobody need be named.
_AS_BEFORE = answers.ServersBody()


class ExperimentsApi:
    """The routes.

    Args:
        engine: The event log.
        clerk: Of the role ``results``.
        refresh: Makes this server obey the route that was just written.
        timeout_s: A model server that has not answered after this is down.
    """

    def __init__(
        self, engine: Engine, clerk: BackOffice, refresh: Callable[[], Awaitable[None]], *, timeout_s: float
    ) -> None:
        self._engine = engine
        self._clerk = clerk
        self._refresh = refresh
        self._timeout_s = timeout_s
        self._rollouts = RolloutPages(engine)
        self._desk = Desk()

    def router(self) -> APIRouter:
        """What the policy server's application adds."""
        router = api_router("experiments")
        add = router.add_api_route
        add("", self.experiments, methods=["GET"], response_model=answers.ExperimentList)
        add("", self.create, methods=["POST"], response_model=answers.Experiment, status_code=201, responses=_MADE)
        add("/{name}", self.experiment, methods=["GET"], response_model=answers.Experiment)
        add("/{name}", self.change, methods=["PUT"], response_model=answers.Experiment)
        add("/{name}", self.delete, methods=["DELETE"], status_code=204, response_class=Response)
        add("/{name}/users", self.users, methods=["GET"], response_model=answers.SeenUsers)
        add("/{name}/results", self.results, methods=["GET"], response_model=answers.Results)
        add("/{name}/start", self.start, methods=["POST"], response_model=answers.Experiment)
        add("/{name}/pause", self.pause, methods=["POST"], response_model=answers.Experiment)
        add("/{name}/stop", self.stop, methods=["POST"], response_model=answers.Experiment)
        return router

    async def experiments(
        self, kind: Annotated[answers.Kind | None, Query(description="Only of this kind.")] = None
    ) -> Response:
        """Every experiment in a few facts, the one made last first."""
        return Json({"experiments": await self._desk.do(lambda: summaries(self._engine, self._rollouts, kind))})

    async def create(self, spec: Spec) -> Response:
        """Keep a draft of an A/B/n test or a bandit; a rollout's spec is refused."""
        record = await self._desk.do(lambda: lifecycle.create(self._engine, spec.document()))
        return Json(detail_document(record, sessions=0), 201, {"location": f"/experiments/{record.name}"})

    async def experiment(self, name: Name) -> Response:
        """One experiment with its spec; a rollout with looks, steps, and what they mean in English and Korean."""
        return Json(await self._desk.do(lambda: self._detail(name)))

    async def change(self, name: Name, spec: Spec) -> Response:
        """Give a draft another spec, under the name it has."""
        return await self._changed(name, lambda: lifecycle.change(self._engine, name, spec.document()))

    async def delete(self, name: Name) -> Response:
        """Forget an experiment that nobody has seen; one with sessions in the log keeps its spec for them."""

        def forget() -> None:
            self._dealt(name)
            delete_experiment(self._engine, name)

        await self._desk.do(forget)
        return Response(status_code=204)

    async def users(
        self, name: Name, limit: Annotated[int, Query(ge=1, le=MAX_USERS, description="The most.")] = DEFAULT_USERS
    ) -> Response:
        """Whom its latest sessions were for, each user once."""

        def read() -> list[dict[str, Any]]:
            self._known(name)
            return [user._asdict() for user in recent_users(self._engine, name, limit=limit)]

        return Json({"users": await self._desk.do(read)})

    async def results(
        self,
        name: Name,
        look: Annotated[int, Query(ge=1, le=1000, description="Method group: which of its looks this is.")] = 1,
    ) -> Response:
        """What it has come to: of a test or a bandit both lanes side by side, and the analysis of the fixed one."""
        if isinstance(await self._desk.do(lambda: self._known(name)), RolloutRecord):
            return await self.experiment(name)
        return Json(await self._clerk.ask({"experiment": name, "look": look}, RESULTS_TIMEOUT_S))

    async def start(self, name: Name, given: answers.ServersBody = _AS_BEFORE) -> Response:
        """Give it the traffic, for the first time or after a pause.

        Each variant's server is asked first, and must serve the version that the spec pins.
        """

        def begin() -> ExperimentRecord:
            try:
                return lifecycle.start(self._engine, name, given.servers, timeout_s=self._timeout_s)
            except ServerError as error:
                # This server is well: what it was told to use is not.
                raise HTTPException(409, str(error)) from error

        return await self._routed(name, begin)

    async def pause(self, name: Name) -> Response:
        """Give everyone the control's list until it is started again; those sessions are not analysed."""
        return await self._routed(name, lambda: lifecycle.pause(self._engine, name))

    async def stop(self, name: Name) -> Response:
        """End it for good; everyone gets the control's list until something else is routed."""
        return await self._routed(name, lambda: lifecycle.stop(self._engine, name))

    async def _routed(self, name: str, work: Callable[[], ExperimentRecord]) -> Response:
        answer = await self._changed(name, work)
        await self._refresh()
        return answer

    async def _changed(self, name: str, work: Callable[[], ExperimentRecord]) -> Response:
        def read() -> dict[str, Any]:
            self._dealt(name)
            return detail_document(work(), sessions=count_exposures(self._engine, name))

        return Json(await self._desk.do(read))

    def _detail(self, name: str) -> dict[str, Any]:
        record = self._known(name)
        if isinstance(record, ExperimentRecord):
            return detail_document(record, sessions=count_exposures(self._engine, name))
        found = self._rollouts.detail(name)
        if found is None:
            raise RolloutError(f"rollout {name!r} was removed just now")
        return found

    def _dealt(self, name: str) -> None:
        """Raise unless it is an A/B/n test or a bandit."""
        if isinstance(self._known(name), RolloutRecord):
            raise RolloutError(f"{name!r} is a rollout, which its controller alone changes; see screentest rollout")

    def _known(self, name: str) -> ExperimentRecord | RolloutRecord:
        record = find(self._engine, name)
        if record is None:
            known = ", ".join(names(self._engine)) or "none yet"
            raise HTTPException(404, f"unknown experiment {name[:80]!r}; known: {known}")
        return record
