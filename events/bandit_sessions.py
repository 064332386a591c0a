"""Sessions of a bandit's lane that have come, or have come to be worth something else, between two commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, not_, select

from events.schema import EXPOSURES, OUTCOMES
from events.session_table import Worth, session_worth

_CHUNK = 20_000
#: variant, ts, context, worth now, worth before (None: the session is new).
Change = tuple[str, float, dict[str, Any], float, float | None]


def changed_sessions(
    connection: Connection, experiment: str, lane: int, worth: Worth, *, after: int, upto: int, in_order: bool = False
) -> Iterator[list[Change]]:
    """What the commits ``after + 1 … upto`` say, in parts of bounded size.

    A failed session, in which nothing could be shown, tells nothing of its variant's list and is left out; it comes
    once it is answered.

    Args:
        connection: An open transaction.
        experiment: The spec's name.
        lane: Step of the sessions.
        worth: What a session is worth.
        after: Number of a commit; 0: from the beginning.
        upto: Number of a later one, or the same.
        in_order: New sessions in the one order that all readers of the log have, whatever they read at a time.
    """
    now = session_worth(EXPOSURES, worth, upto)
    row = (EXPOSURES.c.variant, EXPOSURES.c.ts, EXPOSURES.c.context, now)
    shown = not_(and_(EXPOSURES.c.error, EXPOSURES.c.n_items == 0))
    where = (EXPOSURES.c.experiment == experiment, EXPOSURES.c.step == lane, shown)
    new = select(*row).where(*where, EXPOSURES.c.commit_number > after, EXPOSURES.c.commit_number <= upto)
    if in_order:
        new = new.order_by(EXPOSURES.c.commit_number, EXPOSURES.c.decision_id)
    for part in connection.execution_options(yield_per=_CHUNK).execute(new).partitions():
        yield [_change(one, None) for one in part]
    if after == 0:
        return
    came = (OUTCOMES.c.commit_number > after, OUTCOMES.c.commit_number <= upto, OUTCOMES.c.kind == worth.event)
    touched = select(*row, session_worth(EXPOSURES, worth, after)).where(
        *where,
        EXPOSURES.c.commit_number <= after,
        EXPOSURES.c.decision_id.in_(select(OUTCOMES.c.decision_id).where(*came)),
    )
    for again in connection.execution_options(yield_per=_CHUNK).execute(touched).partitions():
        yield [_change(one, float(one[-1])) for one in again]


def _change(row: Any, before: float | None) -> Change:
    return row[0], row[1], row[2] or {}, float(row[3]), before
