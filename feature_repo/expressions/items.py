"""Items: how much, how well and how lately they are rated, and what is known of them."""

from __future__ import annotations

import ibis.expr.types as ir

from feature_repo.expressions.exact import STAR, ratio, spread
from feature_repo.expressions.moments import DAY_S, WINDOW_S
from feature_repo.expressions.running import running
from feature_repo.expressions.tables import Tables
from feature_repo.expressions.tags import item_tags

#: Ratings as good as the mean of all that stand behind every quality.
_PRIOR = 10.0
_DAYS_A_YEAR = 365.25
#: Days from 1 January of year 1 (Gregorian) to 1 January 1970.
_DAYS_TO_1970 = 719_162


def item_features(tables: Tables) -> ir.Table:
    """Every scalar feature of ``catalogue.ITEM_FEATURES`` for the rows wanted.

    Returns:
        item_id, moment and the features, float64, null = missing.
    """
    ratings, rows = tables.ratings, tables.item_rows
    changes = ratings.group_by("item_id", "moment").agg(
        rating_count=ratings.count(),
        stars=ratings.stars.sum(),
        squares=(ratings.stars * ratings.stars).sum(),
        liked=ratings.liked.sum(),
        last=ratings.timestamp.max(),
    )
    sums = ["rating_count", "stars", "squares", "liked"]
    totals = running(rows, changes, ["item_id"], sums=sums, latest=["last"])
    first = ratings.group_by("item_id").agg(first=ratings.timestamp.min())
    n_genres = tables.genres.group_by("item_id").agg(genres=tables.genres.count())
    joined = (
        totals.inner_join(first, "item_id")
        .left_join(tables.items, "item_id").drop("item_id_right")
        .left_join(n_genres, "item_id").drop("item_id_right")
        .inner_join(_mean_of_all(tables), "moment")
        .inner_join(_trend(ratings, tables.moments, rows), ["item_id", "moment"])
        .inner_join(item_tags(tables.tags, rows), ["item_id", "moment"])
    )  # fmt: skip
    n, stars = joined.rating_count.cast("float64"), joined.stars.cast("float64")
    days = joined.moment.cast("float64") / DAY_S
    return joined.select(
        "item_id",
        "moment",
        rating_count=n,
        popularity=(n + 1.0).ln(),
        rating_mean=ratio(stars, n, float(STAR)),
        rating_std=spread(n, stars, joined.squares, float(STAR)),
        quality=ratio(stars + joined.mean_of_all * _PRIOR, n + _PRIOR, float(STAR)),
        liked_share=ratio(joined.liked, n),
        recent_count=joined.recent.cast("float64"),
        trend=ratio(joined.recent - joined.earlier, joined.recent + joined.earlier + 1),
        recency_days=days - joined.last.cast("float64") / DAY_S,
        listed_days=days - joined["first"].cast("float64") / DAY_S,
        release_year=joined.year.cast("float64"),
        release_age_years=(days - _new_year_day(joined.year)) / _DAYS_A_YEAR,
        tag_count=joined.tag_count,
        tag_diversity=joined.tag_diversity,
        genre_count=joined.genres.fill_null(0).cast("float64"),
    )


def _mean_of_all(tables: Tables) -> ir.Table:
    """moment, mean_of_all: mean of every rating known by then, in millionths of a star."""
    ratings = tables.ratings
    changes = ratings.group_by("moment").agg(all_count=ratings.count(), all_stars=ratings.stars.sum())
    totals = running(tables.moments.select("moment"), changes, [], sums=["all_count", "all_stars"])
    return totals.select("moment", mean_of_all=ratio(totals.all_stars, totals.all_count))


def _trend(ratings: ir.Table, moments: ir.Table, rows: ir.Table) -> ir.Table:
    """item_id, moment, recent and earlier: ratings in [moment - 90 d, moment) and in the 90 days before."""
    events = ratings.select("item_id", "timestamp")
    near = events.join(
        moments, [events.timestamp < moments.moment, events.timestamp >= moments.moment - 2 * WINDOW_S], how="inner"
    )
    is_recent = (near.timestamp >= near.moment - WINDOW_S).cast("int64")
    counts = near.group_by("item_id", "moment").agg(recent=is_recent.sum(), earlier=(1 - is_recent).sum())
    joined = rows.left_join(counts, ["item_id", "moment"])
    return joined.select("item_id", "moment", recent=joined.recent.fill_null(0), earlier=joined.earlier.fill_null(0))


def _new_year_day(year: ir.IntegerValue) -> ir.FloatingValue:
    """Days from 1970 to 1 January of a year (Gregorian), negative before."""
    y = year.cast("int64") - 1
    return (365 * y + y // 4 - y // 100 + y // 400 - _DAYS_TO_1970).cast("float64")
