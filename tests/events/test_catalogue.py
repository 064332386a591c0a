"""Users, items, models and features in the event database: as the data have them, replaced key by key."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
import pytest
from sqlalchemy import Engine

from core.errors import UnknownName
from core.interactions import Interactions
from events import catalogue
from events.catalogue import RegisteredModel, record_data, record_features, record_models
from events.database import opened
from events.tables import SHOWN, latest_rows
from tests.small_registry import small_interactions


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


def rows(engine: Engine, table: str, key: str) -> dict[object, dict[str, object]]:
    return {row[key]: row for row in latest_rows(engine, table, limit=10_000)}


def test_users_and_items_are_those_of_the_data(engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Several transactions.
    monkeypatch.setattr(catalogue, "_ROWS_AT_ONCE", 7)
    data = small_interactions()
    assert record_data(url, data, source="small") == (data.ratings["user_id"].nunique(), 40)
    users, items = rows(engine, "users", "user_id"), rows(engine, "items", "item_id")
    for user_id, ratings in data.ratings.groupby("user_id"):
        user = users[str(user_id)]
        assert (user["ratings"], user["first_ts"], user["last_ts"]) == (
            len(ratings),
            ratings["timestamp"].min(),
            ratings["timestamp"].max(),
        )
        assert (user["known"], user["source"]) == ({}, "small")
    for item_id, ratings in data.ratings.groupby("item_id"):
        item = items[str(item_id)]
        number = int(str(item_id)) - 1000
        assert (item["ratings"], item["title"], item["year"]) == (len(ratings), f"Film {number}", 1980 + number)
        assert item["rating_mean"] == pytest.approx(ratings["rating"].mean())
        assert item["genres"] == [f"Genre {number % 4}"]


def test_what_is_known_is_kept_what_is_missing_is_null_and_the_unrated_are_there(engine: Engine, url: str) -> None:
    ratings = pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "rating": [4.0], "timestamp": [100]})
    items = pd.DataFrame(
        {"item_id": ["x", "y"], "title": ["X", "새 영화"], "year": pd.array([None, 2001], dtype="Int16")}
    )
    users = pd.DataFrame({"user_id": ["a", "b"], "age": [31.0, math.nan], "gender": ["F", None]})
    record_data(url, Interactions(ratings, items, users=users), source="first")
    found = rows(engine, "users", "user_id")
    assert [(one["known"], one["ratings"], one["last_ts"]) for one in (found["a"], found["b"])] == [
        ({"age": 31.0, "gender": "F"}, 1, 100.0),
        ({}, 0, None),
    ]
    known = rows(engine, "items", "item_id")
    assert [(known[one]["year"], known[one]["rating_mean"], known[one]["genres"]) for one in "xy"] == [
        (None, 4.0, []),
        (2001, None, []),
    ]
    # Later data: who is in them is replaced, who is not stays.
    later = pd.DataFrame({"user_id": ["b"], "item_id": ["x"], "rating": [2.0], "timestamp": [200]})
    record_data(url, Interactions(later), source="second")
    found = rows(engine, "users", "user_id")
    assert [(one["source"], one["ratings"]) for one in (found["a"], found["b"])] == [("first", 1), ("second", 1)]


def test_models_and_features_are_kept_by_version(engine: Engine, url: str) -> None:
    ease = RegisteredModel("recommender", "3", "ease", "run", {"ndcg_at_10": 0.3, "map_at_10": math.nan}, {"seed": "1"})
    assert record_models(url, [ease, ease._replace(version="4")]) == 2
    first = rows(engine, "models", "version")
    assert first["3"]["metrics"] == {"ndcg_at_10": 0.3, "map_at_10": None}
    record_models(url, [ease._replace(metrics={"ndcg_at_10": 0.4})])
    again = rows(engine, "models", "version")
    assert again["3"]["metrics"] == {"ndcg_at_10": 0.4}
    assert again["3"]["registered_at"] == first["3"]["registered_at"]
    figures = {"version": "abc", "as_of": 99, "n_users": 5, "n_items": 6, "n_snapshots": 2, "n_genres": 1}
    definition = {"entity": "user", "name": "rating_count", "default": 0.0, "meaning": "ratings so far"}
    assert record_features(url, figures, [definition], provenance={"data.source": "small"}) == 1
    assert record_features("", figures, [], provenance={}) == 0
    [features] = latest_rows(engine, "features", limit=5)
    assert (features["users"], features["items"], features["snapshots"]) == (5, 6, 2)
    assert features["definitions"] == [definition]


def test_every_table_can_be_shown_and_no_other(engine: Engine) -> None:
    for name in SHOWN:
        assert latest_rows(engine, name, limit=3) == []
    with pytest.raises(UnknownName, match=r"unknown table 'outcomes'; known: .*worker_jobs"):
        latest_rows(engine, "outcomes", limit=3)
