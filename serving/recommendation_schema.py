"""Bodies and answers of ``/recommendations`` and ``/feedback``, for OpenAPI, clients and tests.

The routes themselves check field by field (``recommendation_requests.py``): that tells in one line what to do, and
costs a fraction of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from core.event_kinds import EventKind
from serving.policy_requests import MAX_K
from serving.recommendation_requests import FEEDBACK, MAX_EXCLUDED, RECOMMENDATIONS
from serving.request_fields import MAX_ID, MAX_REWARD

Id = int | Annotated[str, Field(min_length=1, max_length=MAX_ID)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class RecommendationRequest(_Document):
    """A request for a list."""

    user_id: Id
    """Whom to recommend to: an integer or a text; anyone, unknown users get popularity order."""
    num_recommendations: int | None = Field(None, ge=1, le=MAX_K)
    """Length of the list; the server's setting k where it is not given."""
    context: dict[str, Any] | None = None
    """What the request is about. ``session_id``, ``channel``, ``device`` and the experiment's unit are understood; all
    of it is kept with the exposure."""
    exclude_items: list[Id] | None = Field(None, max_length=MAX_EXCLUDED)
    """Items that must not be in the list."""
    include_explanation: bool | Literal["en", "ko"] | None = False
    """A reason for each item, in English (``true``) or in the language named."""
    decision_id: Id | None = None
    """The caller's own key of this request: sent again, it gets the same answer and is recorded once."""


class RecommendedItem(_Document):
    """An item of a list."""

    item_id: Id
    title: str
    score: float | None
    """The model's own; higher is better, comparable within the list."""
    rank: int = Field(ge=1)
    """1 for the first."""
    explanation: str | None
    """Why it is there, in words; null where no explanation was asked for."""
    confidence: float | None = Field(ge=0, le=1)
    """Share of the score that the explanation accounts for; null where none was asked for."""


class RecommendationAnswer(_Document):
    """A list, and how it came about."""

    user_id: Id
    items: list[RecommendedItem]
    model: str
    """Name of the model that made the list."""
    model_version: str
    arm: str | None
    """The variant that the user's unit is assigned to; null, with the next two, where the event log is down."""
    decision_id: str | None
    """Key of the exposure: feedback names it."""
    experiment: str
    step: int | None
    """Of the canary, or the lane of an A/B/n test or bandit."""
    cold: bool
    """The model knows nothing of the user and gave popularity order."""
    cached: bool
    """The list was made before, for the same request of the same user."""
    features: str | None = None
    """What a model with features knew of the user: store, or something less."""
    degraded: str | None = None
    """What is less about the list: whose stands in, or that no exposure tells of it (docs/DEGRADATION.md)."""


class Feedback(_Document):
    """What a user did with an item that was recommended."""

    user_id: Id
    item_id: Id
    kind: EventKind | None = "click"
    reward: float | None = Field(None, ge=-MAX_REWARD, le=MAX_REWARD)
    """1 where it is not given; a rating needs it."""
    decision_id: Id | None = None
    """Of the list it was shown in; without it the latest that showed the item to the user."""
    arm: Id | None = None
    """The decision's own, where it is not given."""
    ts: float | None = None
    """When, seconds since 1970, not in the future; now, where it is not given."""
    meta: dict[str, Any] | None = None
    """Whatever is to be kept."""


class FeedbackAnswer(_Document):
    """It is on disk."""

    status: Literal["accepted", "duplicate", "orphan"]
    """``duplicate``: it was there already and counts once; ``orphan``: no list is known that it belongs to (yet)."""
    decision_id: str


def openapi_parts() -> tuple[dict[str, Any], dict[str, Any]]:
    """Both routes for an OpenAPI document: its paths, and its schemas."""
    models = (RecommendationRequest, RecommendationAnswer, Feedback, FeedbackAnswer)
    _, schemas = models_json_schema(
        [(each, "validation") for each in models], ref_template="#/components/schemas/{model}"
    )
    paths = {
        path: {
            "post": {
                "tags": ["lists"],
                "summary": summary,
                "description": description,
                "operationId": path.strip("/"),
                "requestBody": {"required": True, "content": _json(asked)},
                "responses": {"200": {"description": answered.__doc__, "content": _json(answered)}},
            }
        }
        for path, summary, description, asked, answered in (
            (
                RECOMMENDATIONS,
                "A list for a user, with ranks, reasons and the model's version",
                "Decided and recorded as /choose does it; to a decision_id sent again, what was answered before.",
                RecommendationRequest,
                RecommendationAnswer,
            ),
            (
                FEEDBACK,
                "What a user did with an item",
                "As /update, but the arm need not be known. Cached lists of the user are forgotten.",
                Feedback,
                FeedbackAnswer,
            ),
        )
    }
    return paths, dict(schemas["$defs"])


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
