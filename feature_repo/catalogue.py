"""Every feature there is: its name, the value that stands in where it is missing, and what it means.

The order here is the order of the columns everywhere: in matrices, in packed rows, in the models. Features of a user
or an item are as of a moment t: they know ratings and tags with ``timestamp < t`` and nothing else. A pair rated twice
counts as two ratings. Whoever has no rating before t has no row, so that every feature of theirs is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

#: Raised where the meaning of a feature changes, so that old rows are not read as new ones.
FORMAT = 1
#: A rating of at least this counts as liked.
LIKED_RATING = 4.0
#: A pause longer than this ends a session.
SESSION_GAP_S = 30 * 60


class Feature(NamedTuple):
    """One number.

    Attributes:
        name: Its column.
        default: What stands in where it is missing: no row, a null, no answer from Redis.
        meaning: With unit and range.
    """

    name: str
    default: float
    meaning: str


USER_FEATURES = (
    Feature("rating_count", 0.0, "ratings so far"),
    Feature("rating_mean", 3.5, "mean rating, stars"),
    Feature("rating_std", 1.0, "population standard deviation of the ratings, stars, 0 for one"),
    Feature("liked_share", 0.5, "share of ratings of at least LIKED_RATING, 0 … 1"),
    Feature("recency_days", 365.0, "days since the latest rating"),
    Feature("tenure_days", 0.0, "days since the first rating"),
    Feature("active_days", 0.0, "distinct days (UTC) with a rating"),
    Feature("ratings_per_active_day", 0.0, "rating_count / active_days"),
    Feature("rfm_recency", 1.0, "ceil(5 x share of users whose latest rating is no later), 1 (long ago) … 5 (lately)"),
    Feature("rfm_frequency", 1.0, "the same by active_days, 1 … 5 (most)"),
    Feature("rfm_value", 1.0, "the same by the sum of the ratings, 1 … 5 (most)"),
    Feature("genre_diversity", 0.0, "Shannon entropy of genre_share, nats; 0 without genres"),
    Feature("session_count", 0.0, "sessions; a pause of over SESSION_GAP_S ends one"),
    Feature("session_ratings_mean", 0.0, "ratings a session"),
    Feature("session_minutes_mean", 0.0, "minutes from a session's first to its last rating, mean"),
    Feature("item_popularity_mean", 0.0, "mean over the ratings of log(1 + ratings of the item so far)"),
    Feature("item_year_mean", 1995.0, "mean release year over the ratings of items that have one"),
    Feature("age", 30.0, "years, where the data tells"),
    Feature("is_female", 0.5, "1 or 0, where the data tells"),
    Feature("occupation", -1.0, "place of the occupation among the data's, ascending as text, from 0, where it tells"),
)
#: One number per genre each, behind USER_FEATURES, in this order. Their default is 0.
USER_GENRE_FEATURES = (
    Feature("genre_share", 0.0, "ratings of the genre over all (rating, genre) pairs; over all genres they sum to 1"),
    Feature("genre_lift", 0.0, "rating - the user's mean over the ratings of the genre, shrunk: sum / (count + 5)"),
)

ITEM_FEATURES = (
    Feature("rating_count", 0.0, "ratings so far"),
    Feature("popularity", 0.0, "log(1 + rating_count)"),
    Feature("rating_mean", 3.5, "mean rating, stars"),
    Feature("rating_std", 1.0, "population standard deviation of the ratings, stars, 0 for one"),
    Feature("quality", 3.5, "mean rating shrunk towards the mean of all: (sum + 10 x mean of all) / (count + 10)"),
    Feature("liked_share", 0.5, "share of ratings of at least LIKED_RATING, 0 … 1"),
    Feature("recent_count", 0.0, "ratings in [t - 90 days, t)"),
    Feature("trend", 0.0, "(recent - before) / (recent + before + 1), the last 90 days against the 90 before, -1 … 1"),
    Feature("recency_days", 365.0, "days since the latest rating"),
    Feature("listed_days", 0.0, "days since the first rating"),
    Feature("release_year", 1995.0, "where the data tells"),
    Feature("release_age_years", 20.0, "years of 365.25 days since 1 January of the release year"),
    Feature("tag_count", 0.0, "tags given so far"),
    Feature("tag_diversity", 0.0, "Shannon entropy of the item's tags (lower case), nats; 0 without tags"),
    Feature("genre_count", 0.0, "genres of the item"),
)
#: One number per genre, behind ITEM_FEATURES. Its default is 0.
ITEM_GENRE_FEATURES = (Feature("has_genre", 0.0, "1 where the item is of the genre, else 0"),)

CROSS_FEATURES = (
    Feature("share_match", 0.0, "mean of the user's genre_share over the item's genres, 0 without genres"),
    Feature("lift_match", 0.0, "mean of the user's genre_lift over the item's genres, 0 without genres"),
    Feature("lift_best", 0.0, "largest of the user's genre_lift over the item's genres, 0 without genres"),
    Feature("quality_gap", 0.0, "the item's quality - the user's rating_mean, stars"),
    Feature("popularity_gap", 0.0, "the item's popularity - the user's item_popularity_mean"),
    Feature("year_gap", 0.0, "the item's release_year - the user's item_year_mean"),
)


@dataclass(frozen=True)
class FeatureLayout:
    """Which number stands where in a user's and in an item's row, for data with given genres.

    Attributes:
        genres: Ascending.
    """

    genres: tuple[str, ...]

    @cached_property
    def user_names(self) -> tuple[str, ...]:
        """Columns of a user's row: scalars, then every ``genre_share <genre>``, then every ``genre_lift <genre>``."""
        return _names(USER_FEATURES, USER_GENRE_FEATURES, self.genres)

    @cached_property
    def item_names(self) -> tuple[str, ...]:
        """Columns of an item's row: scalars, then every ``has_genre <genre>``."""
        return _names(ITEM_FEATURES, ITEM_GENRE_FEATURES, self.genres)

    @cached_property
    def user_defaults(self) -> npt.NDArray[np.float32]:
        """(n_user_features,) float32: a user of whom nothing is known."""
        return _defaults(USER_FEATURES, len(USER_GENRE_FEATURES) * len(self.genres))

    @cached_property
    def item_defaults(self) -> npt.NDArray[np.float32]:
        """(n_item_features,) float32: an item of which nothing is known."""
        return _defaults(ITEM_FEATURES, len(ITEM_GENRE_FEATURES) * len(self.genres))

    def version(self, fingerprint: str) -> str:
        """What rows computed from given ratings are filed under: 12 hexadecimal digits.

        Args:
            fingerprint: Tells the ratings apart from any others.
        """
        document: list[Any] = [FORMAT, fingerprint, self.user_names, self.item_names]
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:12]


def filled(rows: npt.NDArray[np.float32], defaults: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows with their defaults in the places of NaN.

    Args:
        rows: (..., n_features) float32, NaN = missing.
        defaults: (n_features,) float32.
    """
    return np.where(np.isnan(rows), defaults, rows)


def _names(scalars: Sequence[Feature], per_genre: Sequence[Feature], genres: Sequence[str]) -> tuple[str, ...]:
    return (*(one.name for one in scalars), *(f"{one.name} {genre}" for one in per_genre for genre in genres))


def _defaults(scalars: Sequence[Feature], n_rest: int) -> npt.NDArray[np.float32]:
    return np.array([one.default for one in scalars] + [0.0] * n_rest, dtype=np.float32)
