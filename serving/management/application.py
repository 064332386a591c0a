"""Puts the management API together: FastAPI as the application behind the lean routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.http_errors import ERROR_ANSWERS
from serving.management.body_route import refuse_invalid
from serving.management.openapi import TITLE, document_page, openapi_document

#: Something with a beginning and an end that lives as long as the application.
Beside = Callable[[], AbstractAsyncContextManager[Any]]


def fastapi_application(
    routes: Sequence[BaseRoute], lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]
) -> FastAPI:
    """The application for everything that the lean routes do not answer themselves.

    Args:
        routes: Starlette's, and FastAPI's own of ``Management.routes``, which are the documented ones.
        lifespan: Of the policy server.
    """
    app = FastAPI(
        title=TITLE,
        routes=[*routes],
        exception_handlers=ERROR_ANSWERS | {HTTPException: refuse_http, RequestValidationError: refuse_invalid},  # type: ignore[arg-type]
        lifespan=lifespan,
        # FastAPI's own pages load their scripts from elsewhere; ours is below.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    app.router.routes += document_page(app)
    return app


async def refuse_http(request: Request, error: Exception) -> Response:
    """As everywhere; of a method that is not allowed also which are, on whatever route."""
    answer = await ERROR_ANSWERS[HTTPException](request, error)
    if answer.status_code == 405:
        # Starlette names those of the first route with that path.
        anyhow = {**request.scope, "method": ""}
        found = [route for route in request.app.routes if isinstance(route, Route) and route.matches(anyhow)[0].value]
        answer.headers["allow"] = ", ".join(sorted({method for route in found for method in route.methods or ()}))
    return answer


class Management:
    """The parts of the management API.

    Args:
        routers: Their routes.
        beside: What lives as long as they are served.
        routes: Further ones, e.g. of a WebSocket.
    """

    def __init__(
        self, routers: Sequence[APIRouter], beside: Sequence[Beside] = (), routes: Sequence[BaseRoute] = ()
    ) -> None:
        self.routes: list[BaseRoute] = [*(route for router in routers for route in router.routes), *routes]
        self._beside = beside

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """As long as the API is served."""
        async with AsyncExitStack() as stack:
            for part in self._beside:
                await stack.enter_async_context(part())
            yield
