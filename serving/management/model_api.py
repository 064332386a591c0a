"""The served model over HTTP: where it stands.

GET  /model/status      champion and challenger from MLflow, the servers behind the route, this server's counters
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from core.errors import BadInput, ServerError
from serving.http_errors import Json
from serving.live_counters import live_counters
from serving.management import answers
from serving.management.back_office import BackOffice
from serving.management.body_route import api_router
from serving.model_client import ModelClient
from serving.routing import ActiveRoute, Contestant, Routing

#: An MLflow that has not answered after this is said to be down.
REGISTRY_TIMEOUT_S = 8.0
NO_MLFLOW = "no MLflow is named; set MLFLOW_TRACKING_URI for the policy server"
_NOTHING = {"versions": 0, "champion": None, "challenger": None}


class ModelApi:
    """The routes.

    Args:
        model_name: The registered model.
        clerk: Of the role ``registry``; None where no MLflow is named.
        routing: The route in force.
        counters: The policy server's metrics.
        timeout_s: A model server that has not answered after this is not ready.
    """

    def __init__(
        self,
        model_name: str,
        clerk: BackOffice | None,
        routing: Routing,
        counters: CollectorRegistry,
        *,
        timeout_s: float,
    ) -> None:
        self._model_name = model_name
        self._clerk = clerk
        self._routing = routing
        self._counters = counters
        self._timeout_s = timeout_s
        self._started_at = time.time()

    def router(self) -> APIRouter:
        """What the policy server's application adds."""
        router = api_router("model")
        router.add_api_route("/status", self.status, methods=["GET"], response_model=answers.ModelStatus)
        return router

    async def status(self) -> Response:
        """Champion and challenger with metrics and provenance, who serves what, and this server's counters.

        Parts that cannot be had say why; the status is 200 all the same.
        """
        registry, serving = await asyncio.gather(self._registry(), self._serving())
        return Json(
            {
                "model": self._model_name,
                "registry": registry,
                "serving": serving,
                "counters": live_counters(self._counters),
                "started_at": self._started_at,
            }
        )

    async def _registry(self) -> dict[str, Any]:
        if self._clerk is None:
            return {"reachable": False, "error": NO_MLFLOW, **_NOTHING}
        try:
            found = await self._clerk.ask({}, REGISTRY_TIMEOUT_S)
        except (BadInput, ServerError) as error:
            return {"reachable": False, "error": str(error), **_NOTHING}
        return {"reachable": True, "error": None, **found}

    async def _serving(self) -> dict[str, Any]:
        try:
            active = self._routing.active
        except ServerError:
            return {"experiment": None, "revision": None, "percent": None, "variants": []}
        route = active.route
        told = {"experiment": route.experiment, "revision": route.revision, "percent": route.percent}
        return {**told, "variants": await self._variants(active)}

    async def _variants(self, active: ActiveRoute) -> list[dict[str, Any]]:
        """Over connections made for this one look: the hot path's are not shared."""
        models = ModelClient(self._timeout_s)
        try:
            servers = active.contestants.items()
            return await asyncio.gather(*(_readiness(models, variant, server) for variant, server in servers))
        finally:
            await models.close()


async def _readiness(models: ModelClient, variant: str, server: Contestant) -> dict[str, Any]:
    error = None
    try:
        await models.ready(server)
    except ServerError as trouble:
        error = str(trouble)
    told = {"variant": variant, "version": server.version, "url": server.url}
    return {**told, "ready": error is None, "error": error}
