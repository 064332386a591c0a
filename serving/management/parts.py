"""The management API of a policy server, made of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from starlette.routing import BaseRoute

from core.settings import Settings
from serving.experiment_states import state_document
from serving.management.application import Beside, Management
from serving.management.back_office import BackOffice
from serving.management.experiments_api import ExperimentsApi
from serving.management.model_api import ModelApi
from serving.management.retrain_api import RetrainApi
from serving.management.watch import Watch
from serving.routing import Routing


class Server(Protocol):
    """What the API needs of the policy server."""

    @property
    def counters(self) -> CollectorRegistry:
        """What Prometheus reads."""

    async def refresh_route(self) -> None:
        """Obey the routing row as it is now."""


def management_of(
    engine: Engine, events_url: str, routing: Routing, server: Server, settings: Settings, pages: Sequence[BaseRoute]
) -> Management:
    """The API.

    Args:
        engine: The event log.
        events_url: Its URL, for the clerk that analyses it.
        routing: The route in force.
        server: The policy server.
        settings: MLflow, the registered model, and how long a model server may take.
        pages: Further routes.
    """
    results = BackOffice("results", {"SCREENTEST_EVENTS_URL": events_url})
    registry = BackOffice("registry", _mlflow_limits(settings))
    arguments = BackOffice("arguments", {})
    timeout_s = settings.model_timeout_s
    experiments = ExperimentsApi(engine, results, server.refresh_route, timeout_s=timeout_s)
    asked = registry if settings.mlflow_tracking_uri else None
    model = ModelApi(settings.mlflow_model_name, asked, routing, server.counters, timeout_s=timeout_s)
    watch = Watch(lambda name: state_document(engine, name))
    return Management(
        [experiments.router(), model.router(), RetrainApi(engine, arguments).router()],
        beside=[*map(_ended, (results, registry, arguments)), watch.lifespan],
        routes=[*pages, watch.route()],
    )


def _mlflow_limits(settings: Settings) -> dict[str, str]:
    # Nobody waits for MLflow's own patience of minutes.
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
    return {"MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri, **limits}


def _ended(office: BackOffice) -> Beside:
    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await office.close()

    return beside
