"""KServe's own HTTP server around one pinned model, made lean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import kserve
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.model_server import app
from kserve.protocol.rest.server import RESTServer
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from timing_asgi import TimingMiddleware

from serving.http_errors import ERROR_ANSWERS, MAX_BODY_BYTES, Answer, refuse
from serving.kserve_model import PinnedModel, PinnedRepository
from serving.lean_routes import LEAN_PATHS, lean_application

_GRACE_S = 5


class LeanServer(RESTServer):
    """KServe's server behind the lean routes, with no timing per request, and our error answers over its own.

    ``kserve.ModelServer.start`` is not used: it binds its port itself, on all addresses, and ignores uvloop; ``run``
    takes a socket that is bound already. No gRPC.

    Args:
        model: Ready to serve.
    """

    def __init__(self, model: PinnedModel) -> None:
        parts = kserve.ModelServer(
            http_port=0, enable_grpc=False, enable_latency_logging=False, registered_models=PinnedRepository()
        )
        parts.register_model(model)
        super().__init__(
            _LeanFirst(lean_application(model, REGISTRY), app, model.wrapper.release),
            parts.dataplane,
            parts.model_repository_extension,
            http_port=0,
            grace_period=_GRACE_S,
        )
        # Nobody asks for the caller's address.
        self.config.proxy_headers = False

    def create_application(self) -> None:
        """Set up KServe's application, called once by ``run``."""
        super().create_application()
        app.user_middleware = [part for part in app.user_middleware if part.cls is not TimingMiddleware]
        app.max_body_size = MAX_BODY_BYTES
        for kind, answer in {**ERROR_ANSWERS, RequestValidationError: _not_v2}.items():
            app.add_exception_handler(kind, answer)
        for kind, status in _KSERVE_STATUS.items():
            app.add_exception_handler(kind, _with_status(status))


class _LeanFirst:
    """The lean paths to their application, everything else to KServe's.

    As routes inside KServe's application they would pay for FastAPI's middleware, half of their cost.

    Args:
        lean: Answers the lean paths.
        rest: Answers everything else.
        release: Called once, when the server stops.
    """

    def __init__(self, lean: ASGIApp, rest: ASGIApp, release: Callable[[], Awaitable[None]]) -> None:
        self._lean = lean
        self._rest = rest
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lean = scope["type"] == "http" and scope["path"] in LEAN_PATHS
        await (self._lean if lean else self._rest)(scope, receive, send)
        if scope["type"] == "lifespan":
            await self._release()


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
