"""Who was seen lately, for a reader who wants to look at somebody's lists."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, select

from events.database import reading
from events.schema import EXPOSURES

#: The latest exposures that users are taken from, per user wanted: some come back within minutes.
_SCANNED_PER_USER = 20


class RecentUser(NamedTuple):
    """Somebody who was shown a list.

    Attributes:
        user_id: Whom the latest list was made for.
        variant: What they were assigned to then.
        ts: When, seconds since 1970.
    """

    user_id: str
    variant: str
    ts: float


def recent_users(engine: Engine, experiment: str, *, limit: int = 50) -> list[RecentUser]:
    """Users of an experiment's latest sessions, each once, latest first.

    Args:
        engine: From ``open_database``.
        experiment: The spec's name.
        limit: The most to return, at least 1; fewer come back where the same few users visit again and again.

    Returns:
        Empty where nothing is recorded.

    Raises:
        EventLogError: The log cannot be read.
    """
    query = (
        select(EXPOSURES.c.user_id, EXPOSURES.c.variant, EXPOSURES.c.ts)
        .where(EXPOSURES.c.experiment == experiment)
        # Read from the end of an index: the whole log is never sorted.
        .order_by(EXPOSURES.c.ts.desc())
        .limit(limit * _SCANNED_PER_USER)
    )
    users: dict[str, RecentUser] = {}
    with reading(engine) as connection:
        for row in connection.execute(query):
            if len(users) == limit:
                break
            users.setdefault(row.user_id, RecentUser(row.user_id, row.variant, row.ts))
    return list(users.values())
