"""``GET /items?item_id=1&item_id=2`` of the model server: titles, years and genres, away from the hot path."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BadInput
from serving.http_errors import Json
from serving.kserve_model import PinnedModel
from wrappers.item_details import item_details
from wrappers.recommender import RecommenderWrapper

ITEMS_PATH = "/items"
FEATURES_PATH = "/features"
MAX_ITEMS = 1000


def items_route(model: PinnedModel) -> Route:
    """The route for one model.

    It answers ``{"items": [{"item_id", "title", "year", "genres"}], "model": "ease", "model_version": "3"}``; items
    that the model does not know are left out.

    Args:
        model: What is served.
    """

    async def items(request: Request) -> Response:
        asked = request.query_params.getlist("item_id")
        if not 0 < len(asked) <= MAX_ITEMS:
            raise BadInput(f"{len(asked)} item_id given, must be 1 … {MAX_ITEMS}: GET /items?item_id=1&item_id=2")
        wrapper = model.wrapper
        if not isinstance(wrapper, RecommenderWrapper):
            raise HTTPException(404, f"model {wrapper.name!r} is no recommender and has no items")
        found = item_details(wrapper.known, asked)
        return Json({"items": found, "model": wrapper.name, "model_version": model.version})

    return Route(ITEMS_PATH, items, methods=["GET"])


def features_route(model: PinnedModel) -> Route:
    """``GET /features``: which features of users the model ranks on, for a transformer in front of it.

    It answers ``{"version", "genres"}``: what their rows are filed under, and what there is one number of each for.

    Args:
        model: What is served.
    """

    async def features(_request: Request) -> Response:
        wrapper = model.wrapper
        if not wrapper.needs_features:
            raise HTTPException(404, f"model {wrapper.name!r} needs no features")
        return Json({"version": wrapper.features_version, "genres": list(wrapper.layout.genres)})

    return Route(FEATURES_PATH, features, methods=["GET"])
