"""What the policy server is asked, checked field by field."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import BadInput
from core.event_kinds import EVENT_KINDS
from core.shown import shown
from events.records import Outcome
from serving.http_errors import parse_object
from serving.request_fields import id_text, known_fields, limited, moment, one_of, optional_id, reward_of

MAX_K = 1000

_UPDATE_FIELDS = ("user_id", "arm", "item_id", "reward", "ts", "meta", "decision_id", "kind")


class ChooseRequest(NamedTuple):
    """A request for a list.

    Attributes:
        user_id: Whom to recommend to.
        k: Length of the list.
        context: As given, within the limits of ``request_fields``; ``session_id``, ``channel``,
            ``device`` and the spec's unit are understood.
        session_id: From the context, if there.
        channel: From the context, if there.
        device: From the context, if there.
        decision_id: The caller's own key of this request, so that one sent again is recorded once; else None.
        exclude_items: Items that must not be recommended; unknown ones are ignored.
        explain: Language of a reason for each item, e.g. "en"; None: no reasons.
        path: Where it was asked; a key that was used at one path is refused at another, whose answers look different.
        cacheable: A list that was made before will do, where lists are cached.
    """

    user_id: str
    k: int
    context: dict[str, Any]
    session_id: str | None
    channel: str | None
    device: str | None
    decision_id: str | None = None
    exclude_items: tuple[int | str, ...] = ()
    explain: str | None = None
    path: str = "/choose"
    cacheable: bool = False


def parse_choose(query: Mapping[str, str], default_k: int) -> ChooseRequest:
    """``?user_id=17&context={"session_id": "s1"}&k=10&decision_id=my-key`` as a request; only the user is needed.

    Raises:
        BadInput: Names the parameter, what was given and what is allowed.
    """
    user_id = id_text(query.get("user_id"), "user_id")
    context = limited(parse_object(query["context"], "context"), "context") if query.get("context") else {}
    k = query.get("k", str(default_k))
    # Lengths are checked first: Python refuses to parse numbers of thousands of digits.
    if not (k.isascii() and k.isdecimal() and len(k) <= 4 and 1 <= int(k) <= MAX_K):
        raise BadInput(f"k == {k[:80]!r}, must be an integer 1 … {MAX_K}")
    session, channel, device = understood(context)
    own = query.get("decision_id")
    decision_id = None if own is None else id_text(own, "decision_id")
    return ChooseRequest(user_id, int(k), context, session, channel, device, decision_id)


def understood(context: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Session, channel and device of a context.

    Raises:
        BadInput: One is there and is no id.
    """
    session, channel, device = (optional_id(context, name) for name in ("session_id", "channel", "device"))
    return session, channel, device


def parse_update(body: Mapping[str, Any]) -> Outcome:
    """An update's JSON body as an outcome; ``ts`` defaults to now, ``kind`` to ``click``.

    Raises:
        BadInput: Names the field, what was given and what is allowed.
    """
    known_fields(body, _UPDATE_FIELDS)
    meta = body.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise BadInput(f"meta == {shown(meta)}, must be an object")
    decision_id = body.get("decision_id")
    return Outcome(
        user_id=id_text(body.get("user_id"), "user_id"),
        arm=id_text(body.get("arm"), "arm"),
        item_id=id_text(body.get("item_id"), "item_id"),
        reward=reward_of(body.get("reward")),
        ts=moment(body.get("ts"), time.time()),
        kind=one_of(body.get("kind", "click"), EVENT_KINDS, "kind"),
        decision_id=None if decision_id is None else id_text(decision_id, "decision_id"),
        meta=limited(meta or {}, "meta"),
    )
