"""Which genres a user rates and likes."""

from __future__ import annotations

import ibis.expr.types as ir

from feature_repo.expressions.exact import NAT, STAR, exact, ratio
from feature_repo.expressions.running import running

#: Ratings as good as the user's mean that stand behind every genre_lift.
_PRIOR = 5.0


def user_genres(ratings: ir.Table, genres: ir.Table, totals: ir.Table) -> ir.Table:
    """Share and lift of every genre that a user has rated by a row's moment.

    A rating of an item of several genres counts for each of them.

    Args:
        ratings: user_id, item_id, stars, moment.
        genres: item_id, genre.
        totals: user_id, moment, rating_count, stars: the rows wanted, with the user's totals.

    Returns:
        user_id, moment, genre, genre_share, genre_lift; no row for a genre without a rating.
    """
    rated = ratings.inner_join(genres, "item_id")
    changes = rated.group_by("user_id", "genre", "moment").agg(n=rated.count(), genre_stars=rated.stars.sum())
    pairs = changes.group_by("user_id", "genre").agg(first_moment=changes.moment.min())
    wanted = totals.join(
        pairs, [totals.user_id == pairs.user_id, totals.moment >= pairs.first_moment], how="inner"
    ).select("user_id", "genre", "moment")
    sums = running(wanted, changes, ["user_id", "genre"], sums=["n", "genre_stars"])
    both = sums.inner_join(totals.select("user_id", "moment", "rating_count", "stars"), ["user_id", "moment"])
    all_genres = both.n.sum().over(group_by=[both.user_id, both.moment])
    expected = both.n.cast("float64") * ratio(both.stars, both.rating_count)
    return both.select(
        "user_id",
        "moment",
        "genre",
        genre_share=ratio(both.n, all_genres),
        genre_lift=ratio(both.genre_stars.cast("float64") - expected, both.n.cast("float64") + _PRIOR, float(STAR)),
    )


def diversity(shares: ir.Table) -> ir.Table:
    """Shannon entropy of the genre shares: user_id, moment, genre_diversity (nats)."""
    term = exact(-shares.genre_share * shares.genre_share.ln(), NAT)
    return shares.group_by("user_id", "moment").agg(genre_diversity=term.sum().cast("float64") / float(NAT))
