"""What the event log records: an exposure, an outcome, and what became of the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Exposure:
    """One session of the experiment: a unit was assigned, asked, and got a list, or could be given none.

    Every session counts for the variant it was assigned to (intention to treat), whoever answered it:

    * ``error`` False: the variant's own server answered; ``items`` may be empty.
    * ``error`` True with items: a degraded session. The variant's server failed, or was not asked because it had failed
      just before (its circuit breaker was open), and another list was shown: the control's, the last one of this user,
      or a popular one. Its clicks count for the variant, as they happened.
    * ``error`` True without items: a failed session. Nobody could answer; it counts without a click, until the same
      decision is asked for again and answered.

    Attributes:
        decision_id: Unique; recording the same one again changes nothing, except that it replaces a failed session.
        experiment: The spec's name.
        unit_id: What was assigned (the user, or the spec's own unit).
        user_id: Whom the list was made for.
        step: 0-based canary step in force.
        variant: champion, control or challenger.
        propensity: Probability with which a unit gets this variant, 0 … 1.
        items: The ids shown, best first; empty if nothing could be shown.
        ts: When, seconds since 1970.
        latency_ms: How long the variant's server took to answer or to fail; 0 with ``error``: it was not asked.
        error: The variant's server failed, or was not asked; what was shown came from another one, or nothing was.
        session_id: The caller's own id of the session, if it gave one.
        context: The caller's context as given.
        channel: Where it was shown, if known.
        device: On what, if known.
    """

    decision_id: str
    experiment: str
    unit_id: str
    user_id: str
    step: int
    variant: str
    propensity: float
    items: Sequence[int | str]
    ts: float
    latency_ms: float = 0.0
    error: bool = False
    session_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    channel: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a user did with an item of a list.

    Attributes:
        user_id: Who.
        arm: The variant the item was shown by; None: whichever its exposure has.
        item_id: Which item.
        reward: A finite number; a click counts if it is positive.
        ts: When, seconds since 1970.
        kind: click, like, purchase …
        decision_id: The exposure it belongs to; None: the latest that shows this item to this user (by this arm), not
            later than ``ts``.
        meta: Whatever the caller wants kept.
    """

    user_id: str
    arm: str | None
    item_id: str
    reward: float
    ts: float
    kind: str = "click"
    decision_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


class OutcomeReceipt(NamedTuple):
    """What became of an outcome, once it is on disk.

    Attributes:
        status: ``accepted``; ``duplicate``: it was there already and counts once; ``orphan``: kept, but no exposure
            is known for it (yet).
        decision_id: The exposure it is filed under; an orphan without one gets an id made from its content.
    """

    status: Literal["accepted", "duplicate", "orphan"]
    decision_id: str
