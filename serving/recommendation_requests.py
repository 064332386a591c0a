"""What ``/recommendations`` and ``/feedback`` are asked, checked field by field.

Their bodies and answers for people and OpenAPI are in ``recommendation_schema.py``; a test holds the two together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from core.errors import BadInput
from core.event_kinds import EVENT_KINDS
from core.shown import shown
from events.records import Outcome
from serving.policy_requests import MAX_K, ChooseRequest, understood
from serving.request_fields import id_text, known_fields, limited, moment, one_of, reward_of
from wrappers.reason_words import LANGUAGES

RECOMMENDATIONS, FEEDBACK = "/recommendations", "/feedback"
MAX_EXCLUDED = 1000

#: Of a rating the stars count, which nobody but the caller knows.
_REWARD: dict[str, float] = {kind: 1.0 for kind in EVENT_KINDS if kind != "rating"}
_LARGEST = 2**63

RECOMMENDATION_FIELDS = (
    "user_id",
    "num_recommendations",
    "context",
    "exclude_items",
    "include_explanation",
    "decision_id",
)
FEEDBACK_FIELDS = ("user_id", "item_id", "kind", "reward", "decision_id", "arm", "ts", "meta")


def parse_recommendation(body: Mapping[str, Any], default_k: int) -> ChooseRequest:
    """A body of ``/recommendations`` as a request for a list; only ``user_id`` is needed.

    Args:
        body: See ``recommendation_schema.RecommendationRequest``; null counts as not given.
        default_k: Length of a list where none is named.

    Raises:
        BadInput: Names the field, what was given and what is allowed.
    """
    known_fields(body, RECOMMENDATION_FIELDS)
    context = _object(body.get("context"), "context")
    session, channel, device = understood(context)
    own = body.get("decision_id")
    return ChooseRequest(
        id_text(body.get("user_id"), "user_id"),
        _k(body.get("num_recommendations"), default_k),
        context,
        session,
        channel,
        device,
        None if own is None else id_text(own, "decision_id"),
        _excluded(body.get("exclude_items")),
        _language(body.get("include_explanation")),
        RECOMMENDATIONS,
        cacheable=True,
    )


def parse_feedback(body: Mapping[str, Any]) -> Outcome:
    """A body of ``/feedback`` as an outcome; its arm is that of the decision unless the caller names it.

    Args:
        body: See ``recommendation_schema.Feedback``; null counts as not given.

    Raises:
        BadInput: Names the field, what was given and what is allowed.
    """
    known_fields(body, FEEDBACK_FIELDS)
    kind = "click" if body.get("kind") is None else one_of(body["kind"], EVENT_KINDS, "kind")
    if body.get("reward") is None and kind not in _REWARD:
        raise BadInput(f"reward == None, a {kind} needs it; send its stars")
    arm, decision_id = body.get("arm"), body.get("decision_id")
    return Outcome(
        user_id=id_text(body.get("user_id"), "user_id"),
        arm=None if arm is None else id_text(arm, "arm"),
        item_id=id_text(body.get("item_id"), "item_id"),
        reward=_REWARD[kind] if body.get("reward") is None else reward_of(body["reward"]),
        ts=moment(body.get("ts"), time.time()),
        kind=kind,
        decision_id=None if decision_id is None else id_text(decision_id, "decision_id"),
        meta=_object(body.get("meta"), "meta"),
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"{name} == {shown(value)}, must be an object")
    return limited(value, name)


def _k(value: Any, default: int) -> int:
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_K:
        raise BadInput(f"num_recommendations == {shown(value)}, must be an integer 1 … {MAX_K}")
    return value


def _excluded(value: Any) -> tuple[int | str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadInput(f"exclude_items == {shown(value)}, must be a list of item ids")
    if len(value) > MAX_EXCLUDED:
        raise BadInput(f"exclude_items holds {len(value):,} items, must be at most {MAX_EXCLUDED:,}")
    for item in value:
        id_text(item, "an item of exclude_items")
    # Beyond 64 bits an id can be none of a model's integers; as a text it is one that no model knows.
    return tuple(item if isinstance(item, str) or -_LARGEST <= item < _LARGEST else str(item) for item in value)


def _language(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if value is True:
        return LANGUAGES[0]
    if isinstance(value, str) and value in LANGUAGES:
        return value
    known = ", ".join(map(repr, LANGUAGES))
    raise BadInput(f"include_explanation == {shown(value)}, must be true, false or one of {known}")
