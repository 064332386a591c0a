"""What the policy server is asked, checked field by field."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from core.errors import BadInput
from core.event_kinds import EVENT_KINDS
from core.shown import shown
from events.records import Outcome
from serving.http_errors import parse_object

MAX_K = 1000
MAX_ID = 256
MAX_DEPTH = 8
MAX_JSON_BYTES = 16 << 10

_UPDATE_FIELDS = ("user_id", "arm", "item_id", "reward", "ts", "meta", "decision_id", "kind")


class ChooseRequest(NamedTuple):
    """A request for a list.

    Attributes:
        user_id: Whom to recommend to.
        k: Length of the list.
        context: As given, up to ``MAX_DEPTH`` levels and ``MAX_JSON_BYTES``; ``session_id``, ``channel``,
            ``device`` and the spec's unit are understood.
        session_id: From the context, if there.
        channel: From the context, if there.
        device: From the context, if there.
        decision_id: The caller's own key of this request, so that one sent again is recorded once; else None.
    """

    user_id: str
    k: int
    context: dict[str, Any]
    session_id: str | None
    channel: str | None
    device: str | None
    decision_id: str | None = None


def parse_choose(query: Mapping[str, str], default_k: int) -> ChooseRequest:
    """``?user_id=17&context={"session_id": "s1"}&k=10&decision_id=my-key`` as a request; only the user is needed.

    Raises:
        BadInput: Names the parameter, what was given and what is allowed.
    """
    user_id = _id(query.get("user_id"), "user_id")
    context = _limited(parse_object(query["context"], "context"), "context") if query.get("context") else {}
    k = query.get("k", str(default_k))
    # Lengths are checked first: Python refuses to parse numbers of thousands of digits.
    if not (k.isascii() and k.isdecimal() and len(k) <= 4 and 1 <= int(k) <= MAX_K):
        raise BadInput(f"k == {k[:80]!r}, must be an integer 1 … {MAX_K}")
    session, channel, device = (_optional_id(context, name) for name in ("session_id", "channel", "device"))
    own = query.get("decision_id")
    decision_id = None if own is None else _id(own, "decision_id")
    return ChooseRequest(user_id, int(k), context, session, channel, device, decision_id)


def parse_update(body: Mapping[str, Any]) -> Outcome:
    """An update's JSON body as an outcome; ``ts`` defaults to now, ``kind`` to ``click``.

    Raises:
        BadInput: Names the field, what was given and what is allowed.
    """
    unknown = body.keys() - set(_UPDATE_FIELDS)
    if unknown:
        raise BadInput(f"unknown field {min(unknown)!r}; known: {', '.join(_UPDATE_FIELDS)}")
    # Of every field, not of meta alone: a message quotes what was given, and a deep value cannot even be printed.
    for name, value in body.items():
        _check_depth(value, name)
    meta = body.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise BadInput(f"meta == {shown(meta)}, must be an object")
    decision_id = body.get("decision_id")
    return Outcome(
        user_id=_id(body.get("user_id"), "user_id"),
        arm=_id(body.get("arm"), "arm"),
        item_id=_id(body.get("item_id"), "item_id"),
        reward=_finite(body.get("reward"), "reward"),
        ts=time.time() if body.get("ts") is None else _finite(body["ts"], "ts"),
        kind=_one_of(body.get("kind", "click"), EVENT_KINDS, "kind"),
        decision_id=None if decision_id is None else _id(decision_id, "decision_id"),
        meta=_limited(meta or {}, "meta"),
    )


def _id(value: Any, name: str) -> str:
    usable = isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= MAX_ID
    if not usable:
        raise BadInput(f"{name} == {shown(value)}, must be an integer or a text of 1 … {MAX_ID} characters")
    return str(value)


def _optional_id(context: Mapping[str, Any], name: str) -> str | None:
    value = context.get(name)
    return None if value is None else _id(value, f"context[{name!r}]")


def _limited(document: dict[str, Any], name: str) -> dict[str, Any]:
    """What is to be kept in the event log: it must be encodable, and not fill the disk."""
    _check_depth(document, name)
    size = len(orjson.dumps(document))
    if size > MAX_JSON_BYTES:
        raise BadInput(f"{name} takes {size:,} bytes as JSON, at most {MAX_JSON_BYTES:,} are kept; send less")
    return document


def _check_depth(value: Any, name: str) -> None:
    if _is_deeper(value, MAX_DEPTH):
        raise BadInput(f"{name} is nested deeper than {MAX_DEPTH} levels; send a flatter one")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def _finite(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInput(f"{name} == {shown(value)}, must be a finite number")
    return float(value)


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise BadInput(f"{name} == {shown(value)}, must be one of {', '.join(allowed)}")
    return str(value)
