"""The hot path of the model server: one bare endpoint and a small Starlette application in front of KServe's own.

KServe's V1 route costs several times the CPU of these: its data plane, cloud events, header copies and FastAPI's
machinery (benchmarks/serving_paths.py measures it). They answer the same lists.
"""

from __future__ import annotations

import time

import orjson
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ServerError
from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import ERROR_ANSWERS, Json, json_object, refuse
from serving.item_routes import FEATURES_PATH, ITEMS_PATH, features_route, items_route
from serving.kserve_model import PinnedModel
from serving.model_figures import ModelFigures
from serving.model_seconds import ModelSeconds
from serving.plain_routes import PLAIN_PATHS, Plain
from serving.punctual import is_too_late

#: What some models say of how an answer came about: what they knew of the user, whether a chat model had its say.
_REMARKS = ("features", "llm")

LEAN_PATHS = frozenset(("/recommend", "/readyz", ITEMS_PATH, FEATURES_PATH, *PLAIN_PATHS))


class Recommend:
    """``POST /recommend`` as a bare ASGI endpoint, without Starlette's Response objects.

    Args:
        model: What to serve; a recommender.
        seconds: Where its answers are timed.
    """

    def __init__(self, model: PinnedModel, seconds: ModelSeconds) -> None:
        self._model = model
        self._made_by = {"model": model.wrapper.name, "model_version": model.version}
        self._seconds = seconds.of("recommend")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            BadInput: It is no request for a list.
            ServerError: Its caller has stopped waiting.
        """
        start = time.perf_counter()
        if is_too_late(scope):
            raise ServerError("the time for an answer was over before its turn came; this server has too much to do")
        document = await json_object(receive)
        [answer] = await self._model.answer([document])
        listed = {"items": answer["items"], "cold": answer["cold"], **self._made_by}
        listed.update((name, answer[name]) for name in _REMARKS if name in answer)
        await send_json(send, orjson.dumps(listed))
        self._seconds.observe(time.perf_counter() - start)


def lean_application(model: PinnedModel, seconds: ModelSeconds, registry: CollectorRegistry) -> ASGIApp:
    """``POST /recommend``, ``/predict`` and ``/invoke``, ``GET /readyz`` and ``/items`` for one model.

    Args:
        model: What to serve.
        seconds: Where answers are timed.
        registry: Where what the model counts itself is registered.
    """

    async def readyz(_request: Request) -> Response:
        if not model.ready:
            return refuse(503, f"model {model.name!r} version {model.version} is not ready")
        document = {"ready": True, "model": model.name, "model_version": model.version}
        if model.lookup is not None:
            # For people to see: without its features a model serves its defaults, and stays ready.
            document["features"] = await model.lookup.state()
        return Json(document)

    registry.register(ModelFigures(model.wrapper))
    direct: dict[tuple[str, str], ASGIApp] = {("POST", path): Plain(model, seconds, path) for path in PLAIN_PATHS}
    direct["POST", "/recommend"] = (
        Recommend(model, seconds) if model.form.recommender else _no_lists(model.wrapper.name)
    )
    # Here for the answer to other methods.
    routes = [Route(path, endpoint, methods=[method]) for (method, path), endpoint in direct.items()]
    routes += [Route("/readyz", readyz, methods=["GET"]), items_route(model), features_route(model)]
    return DirectPaths(direct, Starlette(routes=routes, exception_handlers=ERROR_ANSWERS))


def _no_lists(name: str) -> ASGIApp:
    async def refuse_list(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise HTTPException(404, f"model {name!r} is no recommender; POST /predict answers as it answers")

    return refuse_list
