"""When a user is active: days and sessions."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from feature_repo.catalogue import SESSION_GAP_S
from feature_repo.expressions.moments import DAY_S


def visits(ratings: ir.Table) -> ir.Table:
    """Ratings, each with what it adds to its user's days and sessions.

    That depends on the rating before it only, so sums over the ratings known by a moment hold at that moment.

    Args:
        ratings: user_id, timestamp and other columns.

    Returns:
        Its columns and active_days (1 for the day's first rating), session_count (1 for a session's first rating),
        session_seconds (since the session's rating before).
    """
    before = ratings.timestamp.lag().over(group_by=ratings.user_id, order_by=ratings.timestamp)
    after = ratings.mutate(before=before)
    gap = after.timestamp - after.before
    within = (gap <= SESSION_GAP_S).fill_null(False)
    same_day = (after.timestamp // DAY_S == after.before // DAY_S).fill_null(False)
    return after.mutate(
        active_days=(~same_day).cast("int64"),
        session_count=(~within).cast("int64"),
        session_seconds=ibis.ifelse(within, gap, 0).cast("int64"),
    ).drop("before")
