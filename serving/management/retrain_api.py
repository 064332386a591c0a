"""Training again, asked for over HTTP; ``screentest worker`` does it.

POST /model/retrain         which models, how, and why: a request that waits for a worker
GET  /model/retrain         the latest requests
GET  /model/retrain/{id}    how far one is
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.responses import Response

from events.retrain_requests import RetrainRequest, list_retrains, load_retrain, request_retrain
from serving.access.caller import CALLER
from serving.http_errors import Json
from serving.management import answers
from serving.management.back_office import BackOffice
from serving.management.body_route import api_router
from serving.management.desk import Desk

#: To check the arguments, which imports the models that they name.
_CHECK_S = 60.0
_LARGEST_ID = 2**31 - 1

Given = Annotated[
    answers.RetrainBody,
    Body(openapi_examples={"two models": {"value": {"models": ["ease", "als"], "reason": "a month of new ratings"}}}),
]
#: Without a body: the models and settings that are usual.
_AS_USUAL = answers.RetrainBody()


class RetrainApi:
    """The routes.

    Args:
        engine: The event database, which holds the requests.
        clerk: Of the role ``arguments``.
    """

    def __init__(self, engine: Engine, clerk: BackOffice) -> None:
        self._engine = engine
        self._clerk = clerk
        self._desk = Desk()

    def router(self) -> APIRouter:
        """What the policy server's application adds."""
        router = api_router("model")
        add, told = router.add_api_route, answers.Retrain
        add("/retrain", self.retrain, methods=["POST"], response_model=told, status_code=202, responses=_ASKED)
        add("/retrain", self.retrains, methods=["GET"], response_model=answers.RetrainList)
        add("/retrain/{request_id}", self.retrain_state, methods=["GET"], response_model=told)
        return router

    async def retrain(
        self,
        request: Request,
        given: Given = _AS_USUAL,
        idempotency_key: Annotated[
            str | None, Header(max_length=200, description="Sent again, it means the same request.")
        ] = None,
    ) -> Response:
        """Ask for a training run on the worker's data; the champion stays, the best that beats it is the challenger."""
        arguments = given.model_dump(exclude_unset=True, exclude={"reason"})
        asked = partial(
            request_retrain,
            self._engine,
            await self._clerk.ask(arguments, _CHECK_S),
            requested_by=str(request.scope.get(CALLER, "http")),
            reason=given.reason,
            key=idempotency_key,
        )
        document = _document(await self._desk.do(asked))
        return Json(document, 202, {"location": f"/model/retrain/{document['id']}"})

    async def retrains(self, limit: Annotated[int, Query(ge=1, le=500, description="The most.")] = 50) -> Response:
        """The latest requests, the last one first."""
        found = await self._desk.do(lambda: list_retrains(self._engine, limit=limit))
        return Json({"requests": [_document(one) for one in found]})

    async def retrain_state(self, request_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)]) -> Response:
        """How far a request is, and how it ended."""
        found = await self._desk.do(lambda: load_retrain(self._engine, request_id))
        if found is None:
            raise HTTPException(404, f"unknown retrain request {request_id}; GET /model/retrain lists them")
        return Json(_document(found))


#: Where to look for what became of it.
_ASKED: dict[int | str, dict[str, Any]] = {
    202: {
        "links": {
            "state": {"operationId": "model_retrain_state", "parameters": {"request_id": "$response.body#/id"}},
        }
    }
}


def _document(request: RetrainRequest) -> dict[str, Any]:
    document = asdict(request)
    # Whoever knows a key of another's could pass off its request as answered.
    del document["key"]
    return document
