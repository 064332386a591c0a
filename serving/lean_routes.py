"""The hot path of the model server: one bare endpoint and a small Starlette application in front of KServe's own.

KServe's V1 route costs several times the CPU of these: its data plane, cloud events, header copies and FastAPI's
machinery (benchmarks/serving_paths.py measures it). They answer the same lists.
"""

from __future__ import annotations

import time

import orjson
from prometheus_client import CollectorRegistry, Histogram
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import ERROR_ANSWERS, Json, json_object, refuse
from serving.item_routes import ITEMS_PATH, items_route
from serving.kserve_model import PinnedModel
from serving.model_figures import ModelFigures

#: What some models say of how an answer came about: what they knew of the user, whether a chat model had its say.
_REMARKS = ("features", "llm")

LEAN_PATHS = frozenset(("/recommend", "/readyz", ITEMS_PATH))


class Recommend:
    """``POST /recommend`` as a bare ASGI endpoint, without Starlette's Response objects.

    Args:
        model: What to serve.
        registry: Where the latency histogram is registered.
    """

    def __init__(self, model: PinnedModel, registry: CollectorRegistry) -> None:
        self._model = model
        self._seconds = Histogram(
            "screentest_recommend_seconds",
            "Time to answer POST /recommend, refused requests left out.",
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            BadInput: It is no request for a list.
        """
        start = time.perf_counter()
        document = await json_object(receive)
        [answer] = await self._model.answer([document])
        listed = {"items": answer["items"], "cold": answer["cold"], "model_version": self._model.version}
        listed.update((name, answer[name]) for name in _REMARKS if name in answer)
        await send_json(send, orjson.dumps(listed))
        self._seconds.observe(time.perf_counter() - start)


def lean_application(model: PinnedModel, registry: CollectorRegistry) -> ASGIApp:
    """``POST /recommend``, ``GET /readyz`` and ``GET /items`` for one model.

    Args:
        model: What to serve.
        registry: Where the latency histogram is registered.
    """

    async def readyz(_request: Request) -> Response:
        if not model.ready:
            return refuse(503, f"model {model.name!r} version {model.version} is not ready")
        document = {"ready": True, "model": model.name, "model_version": model.version}
        if model.lookup is not None:
            # For people to see: without its features a model serves its defaults, and stays ready.
            document["features"] = await model.lookup.state()
        return Json(document)

    recommend = Recommend(model, registry)
    registry.register(ModelFigures(model.wrapper))
    routes = [
        # Here for the answer to other methods.
        Route("/recommend", recommend, methods=["POST"]),
        Route("/readyz", readyz, methods=["GET"]),
        items_route(model),
    ]
    return DirectPaths({("POST", "/recommend"): recommend}, Starlette(routes=routes, exception_handlers=ERROR_ANSWERS))
