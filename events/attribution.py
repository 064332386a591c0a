"""Which exposure an outcome belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, select

from core.errors import BadInput
from events.records import Outcome
from events.schema import EXPOSURES

SEARCH_DEPTH = 1000
"""Without a decision_id, this many of the user's latest exposures are searched: a bound on the writer's work."""


_DECISIONS: BindParameter[list[str]] = bindparam("decision_ids", expanding=True)
# Built once: building a statement costs more than running it.
_SHOWN = select(EXPOSURES.c.decision_id, EXPOSURES.c.user_id, EXPOSURES.c.variant, EXPOSURES.c["items"]).where(
    EXPOSURES.c.decision_id.in_(_DECISIONS)
)


class Place(NamedTuple):
    """Where an outcome is filed.

    Attributes:
        decision_id: The exposure it belongs to, or an id made from its content.
        exposed: Whether that exposure is in the log.
        arm: As the outcome says, or else its exposure; empty where neither is there.
    """

    decision_id: str
    exposed: bool
    arm: str


class _Shown(NamedTuple):
    user_id: str
    variant: str
    items: list[int | str]


def place(connection: Connection, outcomes: Sequence[Outcome]) -> list[Place | BadInput]:
    """Where each outcome belongs, or why it cannot belong to the exposure it names."""
    named = {outcome.decision_id for outcome in outcomes if outcome.decision_id is not None}
    rows = connection.execute(_SHOWN, {"decision_ids": list(named)}).all() if named else []
    shown = {row[0]: _Shown(*row[1:]) for row in rows}
    return [_place(connection, outcome, shown) for outcome in outcomes]


def _place(connection: Connection, outcome: Outcome, shown: Mapping[str, _Shown]) -> Place | BadInput:
    if outcome.decision_id is None:
        found = latest_exposure(connection, outcome.user_id, outcome.arm, outcome.item_id, not_later_than=outcome.ts)
        return found or Place(orphan_id(outcome), False, outcome.arm or "")
    if outcome.decision_id not in shown:
        return Place(outcome.decision_id, False, outcome.arm or "")
    of = shown[outcome.decision_id]
    return _contradiction(outcome, of) or Place(outcome.decision_id, True, of.variant)


def _contradiction(outcome: Outcome, shown: _Shown) -> BadInput | None:
    where = f"decision {outcome.decision_id!r}"
    if outcome.user_id != shown.user_id:
        return BadInput(f"user_id {outcome.user_id!r} is not the user of {where}; send the one it was made for")
    if outcome.arm not in (None, shown.variant):
        return BadInput(f"arm {outcome.arm!r} is not that of {where}, which is {shown.variant!r}; send that arm")
    # Compared as text: ids arrive as text or number over HTTP.
    if outcome.item_id not in map(str, shown.items):
        return BadInput(f"item_id {outcome.item_id!r} is not in the list of {where}; send an item that was shown")
    return None


def latest_exposure(
    connection: Connection, user_id: str, arm: str | None, item_id: str, *, not_later_than: float
) -> Place | None:
    """The decision that most recently showed an item to a user by an arm.

    Args:
        connection: An open transaction.
        user_id: The user.
        arm: The variant; None: any.
        item_id: Must be in the exposure's list.
        not_later_than: Seconds since 1970, inclusive; what was shown later cannot have caused the outcome.

    Returns:
        It; None if none of the last ``SEARCH_DEPTH`` exposures matches.
    """
    query = (
        select(EXPOSURES.c.decision_id, EXPOSURES.c["items"], EXPOSURES.c.variant)
        .where(EXPOSURES.c.user_id == user_id, EXPOSURES.c.ts <= not_later_than)
        .order_by(EXPOSURES.c.ts.desc())
        .limit(SEARCH_DEPTH)
    )
    if arm is not None:
        query = query.where(EXPOSURES.c.variant == arm)
    with connection.execute(query) as rows:
        return next((Place(found, True, of) for found, items, of in rows if item_id in map(str, items)), None)


def orphan_id(outcome: Outcome) -> str:
    """An id for an outcome nobody can place; the same outcome sent again gets the same id and counts once."""
    content = "\x00".join((outcome.user_id, outcome.arm or "", outcome.item_id, outcome.kind, repr(outcome.ts)))
    return "orphan-" + hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
