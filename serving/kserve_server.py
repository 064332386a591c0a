"""KServe's V1 and V2 around one pinned model, made lean: an ASGI application, and the server that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from socket import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from prometheus_client import REGISTRY, CollectorRegistry, Metric, exposition
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import BadInput, ScreentestError
from serving.access.request_head import LimitedHead
from serving.body_limit import LimitedBody
from serving.http_errors import ERROR_ANSWERS, Answer, Json, refuse
from serving.instance_model import VERSION_HEADER, InstanceModel
from serving.kserve_model import PinnedExtension, PinnedModel, PinnedRepository
from serving.lean_routes import LEAN_PATHS, lean_application
from serving.lifespan import run_lifespan
from serving.model_seconds import ModelSeconds
from serving.traceparent import Traced
from serving.v2_routes import V2Routes

_GRACE_S = 5
#: KServe's own: longer than proxies keep idle connections.
_KEEP_ALIVE_S = 65

#: Something that runs beside the HTTP server, in its event loop.
Beside = tuple[Callable[[DataPlane, ModelRepositoryExtension], Awaitable[None]], Callable[[], Awaitable[None]]]


class PinnedDataPlane(DataPlane):
    """KServe's data plane with versions, and without sending a caller's own headers back with an explanation."""

    def decode(self, body: Any, headers: Any, *args: Any, **kwargs: Any) -> Any:
        """KServe's, which answers 500 to a cloud event that is empty, no JSON, no object, or nested too deeply.

        Raises:
            BadInput: It is one of these.
        """
        if not body:
            raise BadInput('the body is empty; send {"instances": [{"user_id": 17, "k": 10}]}')
        try:
            return super().decode(body, headers, *args, **kwargs)
        except InvalidInput:
            raise
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadInput("the body is no cloud event, as its headers say; send a JSON object") from error

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Name, versions, platform and tensors of a model."""
        model: Any = self.get_model_from_registry(model_name)
        document = await super().model_metadata(model_name)
        # A transformer has none of its own.
        versions = [model.version] if model.version else []
        return {**document, "versions": versions, "platform": model.platform}

    async def explain(
        self, model_name: str, request: Any, headers: dict[str, str] | None = None
    ) -> tuple[Any, dict[str, str]]:
        """What the model gives as reasons; the answer's headers are the version alone."""
        answer, _ = await super().explain(model_name, request, dict(headers or {}))
        model: Any = self.get_model_from_registry(model_name)
        return answer, {VERSION_HEADER: model.version} if model.version else {}


class ModelApplication:
    """A plain ASGI application for one model: some paths directly, everything else by KServe's routes.

    As routes inside KServe's application the lean ones would pay for FastAPI's middleware, half of their cost.

    Args:
        model: Ready to serve.
        direct: Answers ``paths``.
        paths: Those that do not go to KServe.
        registry: What Prometheus reads beside KServe's own figures.
        release: Called when the server stops.
        beside: Started and stopped with it.
    """

    def __init__(
        self,
        model: InstanceModel,
        direct: ASGIApp,
        paths: Collection[str],
        registry: CollectorRegistry,
        release: Callable[[], Awaitable[None]],
        beside: Beside | None = None,
    ) -> None:
        repository = PinnedRepository()
        repository.update(model)
        self.dataplane = PinnedDataPlane(repository)
        self.failure: ScreentestError | None = None
        self._extension = PinnedExtension(repository)
        self._direct, self._paths = direct, frozenset(paths)
        self._kserve = LimitedBody(_kserve_application(self.dataplane, self._extension, registry))
        self._release, self._beside = release, beside
        self._traced = Traced(self._http)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the server's life."""
        if scope["type"] == "lifespan":
            self.failure = await run_lifespan(receive, send, self.start, self.stop)
        else:
            await self._traced(scope, receive, send)

    async def start(self) -> None:
        """Start what runs beside it."""
        if self._beside is not None:
            await self._beside[0](self.dataplane, self._extension)

    async def stop(self) -> None:
        """Let go of everything."""
        if self._beside is not None:
            await self._beside[1]()
        await self._release()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = scope["type"] == "http" and scope["path"] in self._paths
        await (self._direct if direct else self._kserve)(scope, receive, send)


def pinned_application(
    model: PinnedModel, registry: CollectorRegistry | None = None, beside: Beside | None = None
) -> ModelApplication:
    """The whole model server as an application.

    Args:
        model: Ready to serve.
        registry: What Prometheus reads; None: one of its own.
        beside: What runs beside it.
    """
    registry = registry or CollectorRegistry()
    model.seconds = ModelSeconds(model.name, model.version, registry)
    lean = lean_application(model, model.seconds, registry)
    return ModelApplication(model, lean, LEAN_PATHS, registry, model.wrapper.release, beside)


class LeanServer:
    """A model server on a socket that is bound already: one process, one worker.

    ``kserve.ModelServer.start`` is not used: it binds its port itself, on all addresses, and ignores uvloop.

    Args:
        application: What it serves.
    """

    def __init__(self, application: ModelApplication) -> None:
        self._application = application
        config = uvicorn.Config(
            application,
            http=LimitedHead,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=_KEEP_ALIVE_S,
            # Nobody asks for the caller's address.
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)

    def run(self, sock: socket) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            ScreentestError: It could not start.
        """
        try:
            self._server.run(sockets=[sock])
        except SystemExit:
            # How uvicorn ends where the application could not start.
            if self._application.failure is None:
                raise
            raise self._application.failure from None


def _kserve_application(
    dataplane: DataPlane, extension: ModelRepositoryExtension, registry: CollectorRegistry
) -> FastAPI:
    """KServe's routes on an application of their own; its module's global one can be set up once a process only."""

    async def live(_request: Request) -> Response:
        return Json(await dataplane.live())

    async def metrics(request: Request) -> Response:
        encoder, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(_Both(registry)), headers={"content-type": content_type})

    routes: list[BaseRoute] = [
        Route("/", live, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        *V2Routes(dataplane).routes(),
    ]
    app = FastAPI(
        title="Screentest model server",
        docs_url=None,
        redoc_url=None,
        default_response_class=Json,
        routes=routes,
    )
    register_v1_endpoints(app, dataplane, extension)
    register_v2_endpoints(app, dataplane, extension)
    for kind, answer in {**ERROR_ANSWERS, RequestValidationError: _not_v2}.items():
        app.add_exception_handler(kind, answer)
    for kind, status in _KSERVE_STATUS.items():
        app.add_exception_handler(kind, _with_status(status))
    return app


class _Both:
    """KServe's figures and our own, as one registry to an encoder."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registries = (REGISTRY, registry) if registry is not REGISTRY else (REGISTRY,)

    def collect(self) -> Iterator[Metric]:
        for registry in self._registries:
            yield from registry.collect()


#: KServe's own handlers for these log a traceback per bad request.
_KSERVE_STATUS: dict[type[Exception], int] = {
    InvalidInput: 400,
    ModelNotFound: 404,
    NotImplementedError: 501,
    ModelNotReady: 503,
}


def _with_status(status: int) -> Answer:
    async def answer(_request: Request, error: Exception) -> Response:
        return refuse(status, str(error))

    return answer


async def _not_v2(request: Request, _error: Exception) -> Response:
    # FastAPI's own text names files of this installation.
    return refuse(400, f"{request.method} {request.url.path}: the body is not what this path takes")
