"""How popular the items are that a user rates."""

from __future__ import annotations

import ibis.expr.types as ir

from feature_repo.expressions.exact import NAT, exact, ratio
from feature_repo.expressions.running import running


def item_popularity(ratings: ir.Table, user_rows: ir.Table) -> ir.Table:
    """Mean over a user's ratings of log(1 + ratings of the item), all as of the row's moment.

    Args:
        ratings: user_id, item_id, moment.
        user_rows: user_id, moment.

    Returns:
        user_id, moment, item_popularity_mean.
    """
    one = ratings.select("user_id", "item_id", known="moment")
    seen = user_rows.join(one, [user_rows.user_id == one.user_id, one.known <= user_rows.moment], how="inner").select(
        "user_id", "item_id", "moment"
    )
    wanted = seen.select("item_id", "moment").distinct()
    changes = ratings.group_by("item_id", "moment").agg(rating_count=ratings.count())
    counts = running(wanted, changes, ["item_id"], sums=["rating_count"])
    rated = seen.inner_join(counts, ["item_id", "moment"])
    popularity = exact((rated.rating_count.cast("float64") + 1.0).ln(), NAT)
    return rated.group_by("user_id", "moment").agg(
        item_popularity_mean=ratio(popularity.sum(), rated.count(), float(NAT))
    )
