"""``GET /preview?user_id=17&k=10&explain=en`` of the policy server: every variant's list for one user, side by side.

For people who look at what the variants would show. Nobody is assigned and nothing is recorded: a list that is only
looked at must not count as one that a user was shown.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BadInput, ServerError
from serving.http_errors import Json
from serving.model_client import ModelClient
from serving.policy_requests import parse_choose
from serving.routing import ActiveRoute, Contestant, Routing
from wrappers.reason_words import LANGUAGES

MAX_K = 100
#: Looks under way at once: the model servers are there for those who are served.
_AT_ONCE = 2
_PARAMETERS = ("user_id", "k", "explain")


class Preview:
    """The route.

    Args:
        routing: The route in force; its variants are asked.
        k: Length of a list where the request names none.
        model_timeout_s: A model server that has not answered after this is marked as down.
    """

    def __init__(self, routing: Routing, *, k: int, model_timeout_s: float) -> None:
        self._routing = routing
        self._k = min(k, MAX_K)
        self._model_timeout_s = model_timeout_s
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        """What the policy server's application adds."""
        return [Route("/preview", self.preview, methods=["GET"])]

    async def preview(self, request: Request) -> Response:
        """The lists of all variants; a variant that cannot answer is there with its error and no items.

        Raises:
            BadInput: The user or k is not what it should be.
            ServerError: Nothing is routed.
        """
        for name in request.query_params:
            if name not in _PARAMETERS:
                raise BadInput(f"unknown parameter {name!r}; known: {', '.join(_PARAMETERS)}")
        asked = parse_choose(request.query_params, self._k)
        if asked.k > MAX_K:
            raise BadInput(f"k == {asked.k}, must be 1 … {MAX_K} in a preview")
        explain = request.query_params.get("explain")
        if explain is not None and explain not in LANGUAGES:
            raise BadInput(f"explain == {explain[:80]!r}, must be one of {', '.join(LANGUAGES)}")
        active = self._routing.active
        async with self._turn:
            lists = await self._lists(active, asked.user_id, asked.k, explain)
        return Json(
            {
                "user_id": asked.user_id,
                "k": asked.k,
                "experiment": active.route.experiment,
                "percent": active.route.percent,
                "variants": lists,
            }
        )

    async def _lists(self, active: ActiveRoute, user_id: str, k: int, explain: str | None) -> list[dict[str, Any]]:
        """Every variant's list, over connections made for this one look: the hot path's are not shared."""
        models = ModelClient(self._model_timeout_s)
        try:
            return await asyncio.gather(
                *(_list(models, variant, server, user_id, k, explain) for variant, server in active.contestants.items())
            )
        finally:
            await models.close()


async def _list(
    models: ModelClient, variant: str, server: Contestant, user_id: str, k: int, explain: str | None
) -> dict[str, Any]:
    """One variant's list with what its catalogue tells about the items; its error instead where it is down."""
    answer: dict[str, Any] = {
        "variant": variant,
        "version": server.version,
        "model": None,
        "items": [],
        "cold": False,
        "features": None,
        "error": None,
    }
    try:
        listing = await models.recommend(server, user_id, k, explain)
        answer |= {"items": listing.items, "cold": listing.cold, "features": listing.features}
        if listing.items:
            catalogue = await models.items(server, listing.item_ids)
            items = [{**item, **catalogue.details.get(item["item_id"], {})} for item in listing.items]
            answer |= {"items": items, "model": catalogue.model}
    except ServerError as error:
        answer["error"] = str(error)
    return answer
