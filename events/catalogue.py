"""Users, items, models and features: what the sessions of the log are about, for whoever asks it in SQL.

Each is written where it comes into being (get-data, register-model, build-features, or a command), never on the way of
a request. A later row of the same key replaces the earlier one; what later data lack stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import Engine, Table

from core.interactions import Interactions
from events.database import opened, writing
from events.dialects import clock, insert
from events.schema import FEATURES, ITEMS, MODELS, USERS

#: Rows of a statement and of a transaction: whoever else writes waits no longer than for one of these.
_ROWS_AT_ONCE = 5_000


class Loaded(NamedTuple):
    """How many rows were written.

    Attributes:
        users: Users of the data.
        items: Items of the data.
    """

    users: int
    items: int


class RegisteredModel(NamedTuple):
    """A version as it was registered.

    Attributes:
        name: The registered model, e.g. "recommender".
        version: Its number, as text.
        model: The wrapper's name, e.g. "ease".
        run_id: The run that trained it.
        metrics: By name; one that is NaN is kept as null.
        provenance: Parameters of that run that say what it was trained on and by which code.
    """

    name: str
    version: str
    model: str
    run_id: str
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]


def record_data(url: str, interactions: Interactions, *, source: str) -> Loaded:
    """Write the users and items of data.

    Args:
        url: Of the event database.
        interactions: The data, all parts of it.
        source: Where they are from.

    Raises:
        ConfigError: The URL is no database's.
        EventLogError: The database refused; rows written before stay.
    """
    with opened(url) as engine:
        return Loaded(
            _write(engine, USERS, _users(interactions, source)), _write(engine, ITEMS, _items(interactions, source))
        )


def record_models(url: str, models: Sequence[RegisteredModel]) -> int:
    """Write versions, one that is there keeps its time; returns how many. ``url`` and errors as of ``record_data``."""
    rows = [
        {**model._asdict(), "metrics": _finite(model.metrics), "provenance": dict(model.provenance)} for model in models
    ]
    with opened(url) as engine:
        return _write(engine, MODELS, rows, stamp="registered_at", keep=("registered_at",))


def record_features(
    url: str,
    figures: Mapping[str, Any],
    definitions: Sequence[Mapping[str, Any]],
    *,
    provenance: Mapping[str, Any],
) -> int:
    """Write a version of the features as it was built; returns 1, or 0 of no database. Errors as of ``record_data``.

    Args:
        url: Of the event database; empty: there is none, nothing is written.
        figures: version, as_of (seconds since 1970), n_users, n_items, n_snapshots.
        definitions: What each feature is: entity, name, default, meaning.
        provenance: Of the data they are of.
    """
    if not url:
        return 0
    row = {
        "version": figures["version"],
        "as_of": float(figures["as_of"]),
        **{name: figures[f"n_{name}"] for name in ("users", "items", "snapshots")},
        "definitions": [dict(one) for one in definitions],
        "provenance": dict(provenance),
    }
    with opened(url) as engine:
        return _write(engine, FEATURES, [row], stamp="built_at")


def _users(interactions: Interactions, source: str) -> Iterator[dict[str, Any]]:
    known = interactions.users.drop_duplicates("user_id").set_index("user_id")
    rated = _rated(interactions, "user_id")
    ids = rated.index.union(known.index)
    counts, about = rated.reindex(ids), known.reindex(ids)
    for row, told in zip(counts.itertuples(), _records(about), strict=True):
        there = {name: value for name, value in told.items() if value is not None}
        yield {"user_id": str(row.Index), **_counts(row), "known": there, "source": source}


def _items(interactions: Interactions, source: str) -> Iterator[dict[str, Any]]:
    items = interactions.items.drop_duplicates("item_id").set_index("item_id")[["title", "year"]]
    rated = _rated(interactions, "item_id")
    rated["rating_mean"] = interactions.ratings.groupby("item_id")["rating"].mean()
    genres = interactions.genres.groupby("item_id")["genre"].agg(list).to_dict()
    ids = rated.index.union(items.index)
    counts, about = rated.reindex(ids), items.reindex(ids)
    for row, told in zip(counts.itertuples(), _records(about), strict=True):
        mean = _plain(row.rating_mean)
        yield {
            "item_id": str(row.Index),
            **told,
            "genres": genres.get(row.Index, []),
            **_counts(row),
            "rating_mean": mean,
            "source": source,
        }


def _rated(interactions: Interactions, column: str) -> pd.DataFrame:
    times = interactions.ratings.groupby(column)["timestamp"]
    return pd.DataFrame({"ratings": times.size(), "first_ts": times.min(), "last_ts": times.max()})


def _counts(row: Any) -> dict[str, Any]:
    if pd.isna(row.ratings):
        return {"ratings": 0, "first_ts": None, "last_ts": None}
    return {"ratings": int(row.ratings), "first_ts": float(row.first_ts), "last_ts": float(row.last_ts)}


def _records(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    # With its index: a row without columns would be no row.
    for _, *row in frame.itertuples(name=None):
        yield {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    """As JSON and the database have it."""
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}


def _write(
    engine: Engine,
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    *,
    stamp: str = "updated_at",
    keep: Sequence[str] = (),
) -> int:
    statement = insert(engine.dialect, table)
    replaced = {
        column.name: statement.excluded[column.name]
        for column in table.c
        if not column.primary_key and column.name not in keep
    }
    upsert = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced)
    left, written = iter(rows), 0
    while batch := list(islice(left, _ROWS_AT_ONCE)):
        with writing(engine) as connection:
            now = clock(connection)
            connection.execute(upsert, [{**row, stamp: now} for row in batch])
        written += len(batch)
    return written
