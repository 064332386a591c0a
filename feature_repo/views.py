"""Which features Feast keeps together: the views of a user and of an item. Every feature of the catalogue is in one."""

from __future__ import annotations

from typing import NamedTuple

from feature_repo.catalogue import CROSS_FEATURES, ITEM_GENRE_FEATURES, USER_GENRE_FEATURES

#: Columns of a snapshot beside the features.
USER_ID = "user_id"
ITEM_ID = "item_id"
EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
#: Columns that hold a list with a number per genre.
LISTS = frozenset(one.name for one in (*USER_GENRE_FEATURES, *ITEM_GENRE_FEATURES))

USER_ITEM = "user_item"
#: Feature services: what a model asks for under one name.
USER_SERVICE = "user_features"
ITEM_SERVICE = "item_features"
RANKING_SERVICE = "ranking_features"


class View(NamedTuple):
    """One feature view.

    Attributes:
        name: Feast's name of it.
        features: Names in the catalogue.
        description: What it tells.
    """

    name: str
    features: tuple[str, ...]
    description: str


USER_VIEWS = (
    View(
        "user_activity",
        (
            *("rating_count", "rating_mean", "rating_std", "liked_share", "recency_days", "tenure_days", "active_days"),
            *("ratings_per_active_day", "rfm_recency", "rfm_frequency", "rfm_value"),
            *("session_count", "session_ratings_mean", "session_minutes_mean"),
        ),
        "how much, how lately and how kindly a user rates, and in which sittings",
    ),
    View(
        "user_taste",
        ("genre_diversity", "item_popularity_mean", "item_year_mean", "genre_share", "genre_lift"),
        "what a user rates: genres, popularity, age",
    ),
    View("user_demographics", ("age", "is_female", "occupation"), "who a user is, where the data tells"),
)
ITEM_VIEWS = (
    View(
        "item_popularity",
        ("rating_count", "popularity", "recent_count", "trend", "recency_days", "listed_days"),
        "how much an item is rated, and whether more or less than before",
    ),
    View("item_quality", ("rating_mean", "rating_std", "quality", "liked_share"), "how well an item is rated"),
    View(
        "item_content",
        ("release_year", "release_age_years", "tag_count", "tag_diversity", "genre_count", "has_genre"),
        "what an item is",
    ),
)
#: What the user x item features are computed from, by view.
CROSS_INPUTS = {
    "user_activity": ("rating_mean",),
    "user_taste": ("item_popularity_mean", "item_year_mean", "genre_share", "genre_lift"),
    "item_popularity": ("popularity",),
    "item_quality": ("quality",),
    "item_content": ("release_year", "has_genre"),
}


def full_name(view: str, feature: str) -> str:
    """The name Feast answers with: users and items have features of the same name, views never."""
    return f"{view}__{feature}"


def full_names(views: tuple[View, ...]) -> dict[str, str]:
    """Catalogue name to Feast's full name, in the order of the views."""
    return {feature: full_name(view.name, feature) for view in views for feature in view.features}


def cross_full_names() -> tuple[str, ...]:
    """Feast's full names of ``CROSS_FEATURES``, in their order."""
    return tuple(full_name(USER_ITEM, one.name) for one in CROSS_FEATURES)
