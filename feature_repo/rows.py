"""Rows of features as of many moments at once, computed by the expressions on DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.ids import IdIndex
from core.interactions import Interactions
from feature_repo.catalogue import ITEM_FEATURES, USER_FEATURES, USER_GENRE_FEATURES, FeatureLayout

if TYPE_CHECKING:
    from feature_repo.expressions.tables import Tables

#: Called with the number of steps done, in all, and what was done.
Progress = Callable[[int, int, str], None]
_STEPS = 4


class Rows(NamedTuple):
    """Features of users or of items, by moment and then by entity.

    Attributes:
        entity: (n,) int64, which one: its place in the index of users or items.
        moment: (n,) int64, as of when, seconds since 1970.
        values: (n, n_features) float32 in the layout's order, NaN = missing.
    """

    entity: npt.NDArray[np.int64]
    moment: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]


def layout_of(interactions: Interactions) -> FeatureLayout:
    """The layout of the features of given data: its genres, rated or not."""
    return FeatureLayout(tuple(sorted({str(genre) for genre in interactions.genres["genre"].unique()})))


def feature_rows(
    interactions: Interactions,
    times: Sequence[int],
    layout: FeatureLayout,
    users: IdIndex,
    items: IdIndex,
    progress: Progress = lambda done, total, text: None,
) -> tuple[Rows, Rows]:
    """Features of users and items as of each time; see ``expressions.moments.rows_wanted`` for which rows there are.

    Args:
        interactions: What is known; only what lies before a time is used for it.
        times: As-of times, ascending, at least one. Everyone with a rating before the last has a row there.
        layout: The columns.
        users: The users to compute.
        items: The items to compute.
        progress: Told after each step.

    Returns:
        Users' rows and items' rows.
    """
    # Ibis and DuckDB are heavy, and most importers of this room only read features.
    from feature_repo.duckdb_tables import duckdb_in_memory, load_tables
    from feature_repo.expressions.genres import user_genres
    from feature_repo.expressions.items import item_features
    from feature_repo.expressions.users import user_changes, user_features, user_totals

    with duckdb_in_memory() as connection:
        tables = load_tables(connection, interactions, times, layout, users, items)
        progress(1, _STEPS, "events")
        changes = connection.create_table("user_changes", user_changes(tables))
        totals = connection.create_table("user_totals", user_totals(tables, changes))
        genres = connection.create_table("user_genres", user_genres(tables.ratings, tables.genres, totals))
        progress(2, _STEPS, "genres of users")
        user = _user_rows(user_features(tables, changes, totals, genres), genres, layout)
        progress(3, _STEPS, "users")
        item = _item_rows(item_features(tables), tables, layout)
        progress(4, _STEPS, "items")
    return user, item


def _user_rows(features: Any, genres: Any, layout: FeatureLayout) -> Rows:
    rows = _scalars(features, "user_id", [one.name for one in USER_FEATURES], layout.user_names)
    found = _columns(genres)
    row = _row_of(rows, found["user_id"], found["moment"])
    for place, feature in enumerate(USER_GENRE_FEATURES):
        start = len(USER_FEATURES) + place * len(layout.genres)
        rows.values[row, start + found["genre"]] = found[feature.name]
    return rows


def _item_rows(features: Any, tables: Tables, layout: FeatureLayout) -> Rows:
    rows = _scalars(features, "item_id", [one.name for one in ITEM_FEATURES], layout.item_names)
    found = _columns(tables.genres)
    n_items = max(rows.entity.max(initial=-1), found["item_id"].max(initial=-1)) + 1
    flags = np.zeros((n_items, len(layout.genres)), dtype=np.float32)
    flags[found["item_id"], found["genre"]] = 1.0
    rows.values[:, len(ITEM_FEATURES) :] = flags[rows.entity]
    return rows


def _scalars(features: Any, entity: str, names: Sequence[str], all_names: Sequence[str]) -> Rows:
    """Rows with the scalar columns filled in and 0 in those per genre."""
    found = _columns(features)
    order = np.lexsort((found[entity], found["moment"]))
    values = np.zeros((len(order), len(all_names)), dtype=np.float32)
    for place, name in enumerate(names):
        values[:, place] = found[name][order]
    return Rows(found[entity][order], found["moment"][order], values)


def _row_of(rows: Rows, entity: npt.NDArray[np.int64], moment: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Which row holds each pair of an entity and a moment; every pair must have one."""
    times = np.unique(rows.moment)
    width = int(rows.entity.max(initial=0)) + 1
    keys = np.searchsorted(times, rows.moment) * width + rows.entity
    place: npt.NDArray[np.int64] = np.searchsorted(keys, np.searchsorted(times, moment) * width + entity)
    return place


def _columns(expression: Any) -> dict[str, npt.NDArray[Any]]:
    """An expression's columns, null as NaN."""
    table = expression.to_pyarrow()
    return {name: table[name].to_numpy() for name in table.column_names}
