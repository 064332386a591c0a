"""The model server as a plain ASGI application, for any ASGI server.

    uvicorn serving.main:app --host 0.0.0.0 --port 8080

What it serves is in the settings: ``MLFLOW_TRACKING_URI``, ``MLFLOW_MODEL_NAME`` and ``MLFLOW_MODEL_STAGE`` (an alias,
Production, Staging, or the number of a version), read and pinned to one version when the server starts, not when this
module is imported. The paths are those of ``serving.model_server``; gRPC is that server's alone. One worker a process:
each loads the model for itself.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import load_settings
from serving.http_errors import refuse
from serving.lifespan import run_lifespan
from serving.logs import log_to_stderr
from serving.model_server import freeze, prepare
from serving.model_source import configured_uri

_log = logging.getLogger(__name__)


class ConfiguredModel:
    """The model that the settings name, from the start of a server to its end."""

    def __init__(self) -> None:
        self._application: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the server's life."""
        if scope["type"] == "lifespan":
            await run_lifespan(receive, send, self._start, self._stop)
        elif self._application is not None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            reason = "no model is loaded: the ASGI server must run the lifespan (uvicorn: --lifespan on)"
            await refuse(503, reason)(scope, receive, send)

    async def _start(self) -> None:
        settings = load_settings()
        log_to_stderr(settings.log_format, access_log=True)
        # In a thread without an event loop, which the look at the feature store starts for itself.
        registry, model = await asyncio.to_thread(
            prepare, configured_uri(settings), settings.mlflow_model_name, settings
        )
        from serving.kserve_server import pinned_application

        self._served = pinned_application(model, registry)
        await self._served.start()
        freeze()
        self._application = self._served
        _log.warning("model %r version %s", model.name, model.version)

    async def _stop(self) -> None:
        self._application = None
        await self._served.stop()


app = ConfiguredModel()
