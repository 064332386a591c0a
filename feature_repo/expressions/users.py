"""Users: how much, how well, how lately and how they rate, and what is known of them."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from feature_repo.expressions.exact import STAR, ratio, spread
from feature_repo.expressions.genres import diversity
from feature_repo.expressions.moments import DAY_S
from feature_repo.expressions.popularity import item_popularity
from feature_repo.expressions.rfm import fifths
from feature_repo.expressions.running import running
from feature_repo.expressions.sessions import visits
from feature_repo.expressions.tables import Tables

_SUMS = (
    "rating_count", "stars", "squares", "liked", "active_days", "session_count", "session_seconds", "years", "dated",
)  # fmt: skip


def user_changes(tables: Tables) -> ir.Table:
    """user_id, moment, what the ratings first known then add to a user's totals, and ``last``, their latest time."""
    rated = visits(tables.ratings).left_join(tables.items, "item_id").drop("item_id_right")
    return rated.group_by("user_id", "moment").agg(
        rating_count=rated.count(),
        stars=rated.stars.sum(),
        squares=(rated.stars * rated.stars).sum(),
        liked=rated.liked.sum(),
        active_days=rated.active_days.sum(),
        session_count=rated.session_count.sum(),
        session_seconds=rated.session_seconds.sum(),
        years=rated.year.cast("int64").sum().fill_null(0),
        dated=rated.year.count(),
        last=rated.timestamp.max(),
    )


def user_totals(tables: Tables, changes: ir.Table) -> ir.Table:
    """The totals of :func:`user_changes` for the rows wanted."""
    return running(tables.user_rows, changes, ["user_id"], sums=_SUMS, latest=["last"])


def user_features(tables: Tables, changes: ir.Table, totals: ir.Table, genres: ir.Table) -> ir.Table:
    """Every scalar feature of ``catalogue.USER_FEATURES`` for the rows wanted.

    Args:
        tables: See there.
        changes: From :func:`user_changes`.
        totals: From :func:`user_totals`.
        genres: From ``expressions.genres.user_genres``.

    Returns:
        user_id, moment and the features, float64, null = missing.
    """
    first = tables.ratings.group_by("user_id").agg(first=tables.ratings.timestamp.min())
    joined = (
        totals.inner_join(first, "user_id")
        .inner_join(fifths(changes, tables.moments), ["user_id", "moment"])
        .inner_join(item_popularity(tables.ratings, tables.user_rows), ["user_id", "moment"])
        .left_join(diversity(genres), ["user_id", "moment"]).drop("user_id_right", "moment_right")
        .left_join(demographics(tables.users), "user_id").drop("user_id_right")
    )  # fmt: skip
    n, sessions = joined.rating_count.cast("float64"), joined.session_count
    days = joined.moment.cast("float64") / DAY_S
    return joined.select(
        "user_id",
        "moment",
        rating_count=n,
        rating_mean=ratio(joined.stars, n, float(STAR)),
        rating_std=spread(n, joined.stars, joined.squares, float(STAR)),
        liked_share=ratio(joined.liked, n),
        recency_days=days - joined.last.cast("float64") / DAY_S,
        tenure_days=days - joined["first"].cast("float64") / DAY_S,
        active_days=joined.active_days.cast("float64"),
        ratings_per_active_day=ratio(n, joined.active_days),
        rfm_recency=joined.rfm_recency,
        rfm_frequency=joined.rfm_frequency,
        rfm_value=joined.rfm_value,
        genre_diversity=joined.genre_diversity.fill_null(0.0),
        session_count=sessions.cast("float64"),
        session_ratings_mean=ratio(n, sessions),
        session_minutes_mean=ratio(joined.session_seconds, sessions, 60.0),
        item_popularity_mean=joined.item_popularity_mean,
        item_year_mean=ratio(joined.years, joined.dated),
        age=joined.age,
        is_female=joined.is_female,
        occupation=joined.occupation,
    )


def demographics(users: ir.Table) -> ir.Table:
    """user_id, age, is_female, occupation (its place among the data's, ascending as text), null where unknown.

    Args:
        users: user_id, age (number), gender (text, "F" or "M", or a word that begins so), occupation (text).
    """
    named = users.occupation.notnull()
    place = ibis.dense_rank().over(group_by=named, order_by=users.occupation)
    initial = users.gender.upper().left(1)
    return users.select(
        "user_id",
        age=users.age.cast("float64"),
        is_female=ibis.cases((initial == "F", 1.0), (initial == "M", 0.0), else_=None).cast("float64"),
        occupation=ibis.ifelse(named, place.cast("float64"), None),
    )
