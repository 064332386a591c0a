"""Recency, frequency and value of a user among all the users there are."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from feature_repo.expressions.running import running


def fifths(changes: ir.Table, moments: ir.Table) -> ir.Table:
    """In which fifth of the users a user is: ceil(5 x cume_dist), ties share the higher one.

    Compared are all users that have a rating by the moment, whether or not a row of theirs is wanted there.

    Args:
        changes: user_id, moment, last (timestamp), active_days and stars, one row where any changed.
        moments: See ``expressions.moments.moment_frame``.

    Returns:
        user_id, moment, rfm_recency, rfm_frequency, rfm_value.
    """
    since = changes.group_by("user_id").agg(first_moment=changes.moment.min())
    everyone = since.join(moments, moments.moment >= since.first_moment, how="inner").select("user_id", "moment")
    totals = running(everyone, changes, ["user_id"], sums=["active_days", "stars"], latest=["last"])

    def fifth(column: str) -> ir.FloatingValue:
        share = ibis.cume_dist().over(group_by=totals.moment, order_by=totals[column])
        return (share * 5.0).ceil().cast("float64")

    return totals.select(
        "user_id",
        "moment",
        rfm_recency=fifth("last"),
        rfm_frequency=fifth("active_days"),
        rfm_value=fifth("stars"),
    )
