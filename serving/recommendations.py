"""``POST /recommendations`` and ``POST /feedback``: the recommendation API's hot part.

A list is decided, recorded and answered as ``/choose`` does it (``decisions.py``), and tells more; feedback is an
outcome as ``/update`` takes it, whose arm the caller need not know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from serving.decisions import Decision, Decisions
from serving.direct_paths import send_json
from serving.http_errors import json_object
from serving.recommendation_requests import parse_feedback, parse_recommendation


class Recommend:
    """``POST /recommendations`` as a bare ASGI endpoint.

    Args:
        decisions: Gives what decides; asked at each request, because it belongs to the event loop.
        k: Length of a list where the request names none.
    """

    def __init__(self, decisions: Callable[[], Decisions], k: int) -> None:
        self._decisions = decisions
        self._k = k

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A list for a user, by the variant its unit is assigned to.

        Raises:
            BadInput: The body is not what it should be.
            ServerError: Nobody could give a list.
        """
        body = await json_object(receive)
        asked = parse_recommendation(body, self._k)
        await send_json(send, await self._decisions().answer(asked, partial(_told, body["user_id"])))


class GiveFeedback:
    """``POST /feedback`` as a bare ASGI endpoint.

    Args:
        decisions: As of ``Recommend``; they record outcomes too.
    """

    def __init__(self, decisions: Callable[[], Decisions]) -> None:
        self._decisions = decisions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Acknowledge an outcome once it is on disk.

        Raises:
            BadInput: The body is not what it should be, or contradicts its exposure.
            EventLogError: The log does not take it.
        """
        outcome = parse_feedback(await json_object(receive))
        receipt = await self._decisions().acknowledge(outcome)
        await send_json(send, orjson.dumps({"status": receipt.status, "decision_id": receipt.decision_id}))


def _told(user_id: Any, decision: Decision) -> dict[str, Any]:
    """What ``/recommendations`` answers of a decision; see ``recommendation_schema.RecommendationAnswer``."""
    answer = decision.answer
    listing = answer.listing
    document: dict[str, Any] = {
        "user_id": user_id,
        "items": [
            {
                "item_id": item["item_id"],
                "title": item.get("title", ""),
                "score": item.get("score"),
                "rank": rank,
                "explanation": item.get("reason"),
                "confidence": item.get("confidence"),
            }
            for rank, item in enumerate(listing.items, start=1)
        ],
        "model": listing.model,
        "model_version": listing.version,
        "arm": decision.arm,
        "decision_id": decision.decision_id,
        "experiment": decision.active.route.experiment,
        "step": decision.step,
        "cold": listing.cold,
        "cached": answer.cached,
    }
    if listing.features is not None:
        document["features"] = listing.features
    if decision.degraded:
        document["degraded"] = decision.degraded
    return document
