"""Fields of requests: each checked, and what is wrong with one said in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import BadInput
from core.shown import shown

MAX_ID = 256
MAX_DEPTH = 8
MAX_REWARD = 1e9
_CLOCKS_DIFFER_S = 86_400.0
MAX_JSON_BYTES = 16 << 10


def known_fields(body: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    """Refuse fields that nobody reads, and values that could not be printed.

    Raises:
        BadInput: Names the field.
    """
    unknown = body.keys() - set(fields)
    if unknown:
        raise BadInput(f"unknown field {min(unknown)!r}; known: {', '.join(fields)}")
    # Of every field, not of what is kept alone: a message quotes what was given.
    for name, value in body.items():
        check_depth(value, name)


def id_text(value: Any, name: str) -> str:
    """An id as text.

    Raises:
        BadInput: It is neither an integer nor a text of 1 … ``MAX_ID`` characters.
    """
    usable = isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= MAX_ID
    if not usable:
        raise BadInput(f"{name} == {shown(value)}, must be an integer or a text of 1 … {MAX_ID} characters")
    return str(value)


def optional_id(context: Mapping[str, Any], name: str) -> str | None:
    """An id in the context; None where there is none.

    Raises:
        BadInput: It is no id.
    """
    value = context.get(name)
    return None if value is None else id_text(value, f"context[{name!r}]")


def limited(document: dict[str, Any], name: str) -> dict[str, Any]:
    """What is to be kept in the event log: it must be encodable, and not fill the disk.

    Raises:
        BadInput: It is nested deeper than ``MAX_DEPTH`` levels, or takes more than ``MAX_JSON_BYTES``.
    """
    check_depth(document, name)
    size = len(orjson.dumps(document))
    if size > MAX_JSON_BYTES:
        raise BadInput(f"{name} takes {size:,} bytes as JSON, at most {MAX_JSON_BYTES:,} are kept; send less")
    return document


def check_depth(value: Any, name: str) -> None:
    """Refuse what is nested so deeply that it cannot even be printed.

    Raises:
        BadInput: It is nested deeper than ``MAX_DEPTH`` levels.
    """
    if _is_deeper(value, MAX_DEPTH):
        raise BadInput(f"{name} is nested deeper than {MAX_DEPTH} levels; send a flatter one")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def finite(value: Any, name: str) -> float:
    """A finite number.

    Raises:
        BadInput: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInput(f"{name} == {shown(value)}, must be a finite number")
    return float(value)


def reward_of(value: Any) -> float:
    """A reward: finite, and so small that sums of many, and of their squares, are numbers still.

    Raises:
        BadInput: It is none.
    """
    reward = finite(value, "reward")
    if abs(reward) > MAX_REWARD:
        raise BadInput(f"reward == {reward:g}, must lie in -{MAX_REWARD:g} … {MAX_REWARD:g}; count in larger units")
    return reward


def moment(value: Any, now: float) -> float:
    """When something happened, seconds since 1970; ``now`` where nothing is given.

    Raises:
        BadInput: It is no number, or lies in the future: with milliseconds an outcome could never be exported.
    """
    if value is None:
        return now
    ts = finite(value, "ts")
    if ts > now + _CLOCKS_DIFFER_S:
        raise BadInput(f"ts == {shown(value)}, lies in the future; send seconds since 1970, not milliseconds")
    return ts


def one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    """One of a few texts.

    Raises:
        BadInput: It is none of them.
    """
    if value not in allowed:
        raise BadInput(f"{name} == {shown(value)}, must be one of {', '.join(allowed)}")
    return str(value)
