"""Interactions as tables in DuckDB, ready for the expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions
from feature_repo.catalogue import LIKED_RATING, FeatureLayout
from feature_repo.expressions.exact import STAR
from feature_repo.expressions.moments import first_known, moment_frame, rows_wanted
from feature_repo.expressions.tables import Tables


@contextmanager
def duckdb_in_memory() -> Iterator[Any]:
    """An Ibis connection to a DuckDB of its own that leaves nothing behind."""
    import ibis

    connection = ibis.duckdb.connect()
    try:
        yield connection
    finally:
        connection.disconnect()


def load_tables(
    connection: Any,
    interactions: Interactions,
    times: Sequence[int],
    layout: FeatureLayout,
    users: IdIndex,
    items: IdIndex,
) -> Tables:
    """The expressions' tables, with indexes in the places of ids, and the rows wanted at the given times.

    Args:
        connection: From :func:`duckdb_in_memory`.
        interactions: What is known; events at or after the last time are left out.
        times: As-of times, ascending.
        layout: Names the genres; the place there stands for the genre.
        users: Users to compute; others are left out.
        items: Items to compute.
    """
    moments = connection.create_table("moments", pa.Table.from_pandas(moment_frame(times), preserve_index=False))
    events = {
        "ratings": _ratings(interactions.ratings, users, items),
        "tags": _tags(interactions.tags, items),
    }
    known = {}
    for name, table in events.items():
        raw = connection.create_table(f"all_{name}", table)
        known[name] = connection.create_table(name, first_known(raw, moments))
    ratings, tags = known["ratings"], known["tags"]
    seen = connection.create_table("first_ratings", ratings.group_by("item_id").agg(first_place=ratings.place.min()))
    touched = ratings.select("item_id", "place", "moment").union(_tags_of_rated(tags, seen))
    return Tables(
        ratings=ratings,
        tags=tags,
        items=connection.create_table("items", _items(interactions.items, items)),
        genres=connection.create_table("genres", _genres(interactions.genres, layout, items)),
        users=connection.create_table("users", _users(interactions.users, users)),
        moments=moments,
        user_rows=connection.create_table("user_rows", rows_wanted(ratings, moments, "user_id")),
        item_rows=connection.create_table("item_rows", rows_wanted(touched, moments, "item_id")),
    )


def _tags_of_rated(tags: Any, first_ratings: Any) -> Any:
    """A tag makes a row due, unless nobody has rated the item by then."""
    both = tags.inner_join(first_ratings, "item_id")
    return both.filter(both.place >= both.first_place).select("item_id", "place", "moment")


def _ratings(frame: pd.DataFrame, users: IdIndex, items: IdIndex) -> pa.Table:
    stars = frame["rating"].to_numpy(np.float64)
    return _known_only(
        {
            "user_id": users.index_of(frame["user_id"].to_numpy()),
            "item_id": items.index_of(frame["item_id"].to_numpy()),
            "stars": np.round(stars * STAR).astype(np.int64),
            "liked": (stars >= LIKED_RATING).astype(np.int64),
            "timestamp": frame["timestamp"].to_numpy(np.int64),
        }
    )


def _tags(frame: pd.DataFrame, items: IdIndex) -> pa.Table:
    return _known_only(
        {
            "item_id": items.index_of(frame["item_id"].to_numpy()),
            "tag": _text(frame["tag"]),
            "timestamp": frame["timestamp"].to_numpy(np.int64),
        }
    )


def _items(frame: pd.DataFrame, items: IdIndex) -> pa.Table:
    distinct = frame.drop_duplicates("item_id")
    year = pa.array(distinct["year"].astype("Int32"), pa.int32(), from_pandas=True)
    return _known_only({"item_id": items.index_of(distinct["item_id"].to_numpy()), "year": year})


def _genres(frame: pd.DataFrame, layout: FeatureLayout, items: IdIndex) -> pa.Table:
    distinct = frame.drop_duplicates(["item_id", "genre"])
    place = pd.Index(layout.genres, dtype=object).get_indexer(pd.Index(distinct["genre"], dtype=object))
    return _known_only(
        {"item_id": items.index_of(distinct["item_id"].to_numpy()), "genre": np.asarray(place, dtype=np.int64)}
    )


def _users(frame: pd.DataFrame, users: IdIndex) -> pa.Table:
    """Users without a rating stay, under an index nobody has: occupations are numbered among everyone's."""
    distinct = frame.drop_duplicates("user_id").reindex(columns=["user_id", "age", "gender", "occupation"])
    age = pd.to_numeric(distinct["age"], errors="coerce").to_numpy(np.float64)
    return pa.table(
        {
            "user_id": users.index_of(distinct["user_id"].to_numpy()),
            "age": pa.array(age, from_pandas=True),
            "gender": _text(distinct["gender"]),
            "occupation": _text(distinct["occupation"]),
        }
    )


def _text(values: pd.Series[Any]) -> pa.Array:
    return pa.array(values.astype("string").to_numpy(object), pa.string(), from_pandas=True)


def _known_only(columns: dict[str, npt.NDArray[Any] | pa.Array]) -> pa.Table:
    """The rows whose ids (here: indexes) are all known."""
    known = np.all([column != UNKNOWN for name, column in columns.items() if name.endswith("_id")], axis=0)
    return pa.table(columns).filter(pa.array(known))
