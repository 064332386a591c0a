"""Which published release ratings are, told by their counts."""

from __future__ import annotations

from core.interactions import Interactions

#: Ratings and users of each release; source: the README of each at https://grouplens.org/datasets/movielens/.
RELEASES = {"ml-100k": (100_000, 943), "ml-1m": (1_000_209, 6_040), "ml-latest-small": (100_836, 610)}


def release_of(interactions: Interactions) -> str:
    """Name of the release that has exactly so many ratings and users; else what they are, in words."""
    counts = (len(interactions), interactions.ratings["user_id"].nunique())
    for name, published in RELEASES.items():
        if counts == published:
            return name
    return f"other data ({counts[0]:,} ratings of {counts[1]:,} users)"
