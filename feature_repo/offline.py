"""Training sets in bulk: every row gets the features its user and item had at its moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import DataError
from feature_repo.catalogue import (
    ITEM_FEATURES,
    ITEM_GENRE_FEATURES,
    USER_FEATURES,
    USER_GENRE_FEATURES,
    Feature,
    filled,
)
from feature_repo.cross import cross_features
from feature_repo.snapshots import SnapshotSet, read_snapshots
from feature_repo.views import EVENT_TIMESTAMP, ITEM_ID, ITEM_VIEWS, USER_ID, USER_VIEWS, cross_full_names, full_names


class JoinedRows(NamedTuple):
    """Features of pairs as matrices for a model.

    Attributes:
        user: (n, n_user_features) float32 in the layout's order, NaN = missing; all NaN where the user has no
            snapshot by then.
        item: (n, n_item_features) float32, likewise.
    """

    user: npt.NDArray[np.float32]
    item: npt.NDArray[np.float32]


class SnapshotTable(NamedTuple):
    """A snapshot file in memory, by entity and then by time.

    Attributes:
        ids: (m,) str, ascending and distinct.
        entity: (n,) int64, place in ``ids``.
        time: (n,) int64, seconds since 1970.
        values: (n, n_features) float32 in the layout's order, NaN = missing.
    """

    ids: npt.NDArray[np.str_]
    entity: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]

    def latest(self, ids: npt.ArrayLike, times: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(n, n_features) the latest row of each entity at or before its time; NaN where there is none.

        Args:
            ids: (n,) ids, text or numbers.
            times: (n,) or scalar, seconds since 1970.
        """
        wanted = np.asarray(ids).astype(str)
        found = np.full((len(wanted), self.values.shape[1]), np.nan, dtype=np.float32)
        if not len(self.entity):
            return found
        entity = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        known = np.unique(self.time)
        # Entity and time as one number, so that one binary search answers both.
        keys = self.entity * (len(known) + 1) + np.searchsorted(known, self.time, side="right")
        moment = np.broadcast_to(np.searchsorted(known, np.asarray(times), side="right"), wanted.shape)
        row = np.searchsorted(keys, entity * (len(known) + 1) + moment, side="right") - 1
        there = (row >= 0) & (self.entity[row] == entity) & (self.ids[entity] == wanted)
        found[there] = self.values[row[there]]
        return found


def user_table(snapshots: SnapshotSet) -> SnapshotTable:
    """Users' snapshots in memory.

    Raises:
        DataError: The file is damaged or lacks a column.
    """
    return _read(snapshots.user_path, USER_ID, USER_FEATURES, USER_GENRE_FEATURES, len(snapshots.layout.genres))


def item_table(snapshots: SnapshotSet) -> SnapshotTable:
    """Items' snapshots in memory.

    Raises:
        DataError: The file is damaged or lacks a column.
    """
    return _read(snapshots.item_path, ITEM_ID, ITEM_FEATURES, ITEM_GENRE_FEATURES, len(snapshots.layout.genres))


def join_rows(rows: pd.DataFrame, snapshots: SnapshotSet) -> JoinedRows:
    """The features of pairs at their moments, as matrices.

    Args:
        rows: Columns user_id, item_id (text or numbers) and event_timestamp (datetime64 with a time zone).
        snapshots: Where to look.

    Raises:
        DataError: A column is missing or ``event_timestamp`` is no time with a zone, or a file is damaged.
    """
    seconds = _seconds(rows)
    return JoinedRows(
        user_table(snapshots).latest(rows[USER_ID].to_numpy(), seconds),
        item_table(snapshots).latest(rows[ITEM_ID].to_numpy(), seconds),
    )


def as_of_join(rows: pd.DataFrame, folder: str | Path) -> pd.DataFrame:
    """What Feast's ``get_historical_features`` answers for its ranking service, in bulk.

    Args:
        rows: Columns user_id, item_id (text or numbers) and event_timestamp (datetime64 with a time zone).
        folder: Snapshots.

    Returns:
        ``rows`` in their order and index, and a column ``<view>__<feature>`` per feature (``feature_repo.views``):
        float32, NaN = missing; genre features hold an array (n_genres,) a row, None where the entity has no snapshot.
        Features of user and item together have defaults in the places of what is missing.

    Raises:
        DataError: A column is missing or ``event_timestamp`` is no time with a zone, or a file is damaged.
    """
    snapshots = read_snapshots(folder)
    layout = snapshots.layout
    joined = join_rows(rows, snapshots)
    user = _named(joined.user, full_names(USER_VIEWS), USER_FEATURES, USER_GENRE_FEATURES)
    item = _named(joined.item, full_names(ITEM_VIEWS), ITEM_FEATURES, ITEM_GENRE_FEATURES)
    both = cross_features(layout, filled(joined.user, layout.user_defaults), filled(joined.item, layout.item_defaults))
    cross = {name: both[:, place] for place, name in enumerate(cross_full_names())}
    return pd.concat([rows, pd.DataFrame({**user, **item, **cross}, index=rows.index)], axis=1)


def _seconds(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    missing = [name for name in (USER_ID, ITEM_ID, EVENT_TIMESTAMP) if name not in rows]
    if missing:
        raise DataError(f"rows lack {', '.join(missing)}; expected {USER_ID}, {ITEM_ID}, {EVENT_TIMESTAMP}")
    time = rows[EVENT_TIMESTAMP]
    if not isinstance(time.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{EVENT_TIMESTAMP} is {time.dtype}; expected times with a zone (datetime64[us, UTC])")
    seconds: npt.NDArray[np.int64] = time.dt.tz_convert(None).to_numpy("datetime64[s]").astype(np.int64)
    return seconds


def _read(
    file: Path, entity: str, scalars: Sequence[Feature], per_genre: Sequence[Feature], n_genres: int
) -> SnapshotTable:
    names = [entity, EVENT_TIMESTAMP, *(one.name for one in (*scalars, *per_genre))]
    try:
        # One thread: a process that used pyarrow's now and then aborts when it ends (apache/arrow#34314).
        table = pq.read_table(file, columns=names, use_threads=False, pre_buffer=False, read_dictionary=[entity])
    except (pa.ArrowException, OSError) as error:
        raise DataError("is no readable Parquet file; build the features again", file=str(file)) from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise DataError(f"lacks the columns {', '.join(missing)}; build the features again", file=str(file))
    texts = table[entity].combine_chunks()
    # Ascending as NumPy compares text, so that its search finds them.
    ids, rank = np.unique(texts.dictionary.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    place = rank[texts.indices.to_numpy()].astype(np.int64)
    time = table[EVENT_TIMESTAMP].cast(pa.int64()).to_numpy() // 1_000_000
    steps = np.diff(place)
    written_in_order = bool(((steps > 0) | ((steps == 0) & (np.diff(time) >= 0))).all())
    order = slice(None) if written_in_order else np.lexsort((time, place))
    values = np.empty((len(place), len(scalars) + len(per_genre) * n_genres), dtype=np.float32)
    for column, feature in enumerate(scalars):
        values[:, column] = table[feature.name].to_numpy()[order]
    for column, feature in enumerate(per_genre):
        start = len(scalars) + column * n_genres
        values[:, start : start + n_genres] = _lists(table[feature.name], n_genres, file)[order]
    return SnapshotTable(ids, place[order], time[order], values)


def _lists(column: Any, width: int, file: Path) -> npt.NDArray[np.float32]:
    """(n, width) float32 from a list column whose lists must all be that long."""
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    values = np.concatenate(flat) if flat else np.empty(0, np.float32)
    if len(values) != len(column) * width:
        raise DataError(f"has lists that are not {width} numbers long; build the features again", file=str(file))
    return values.reshape(len(column), width)


def _named(
    values: npt.NDArray[np.float32], names: dict[str, str], scalars: Sequence[Feature], per_genre: Sequence[Feature]
) -> dict[str, Any]:
    """The columns of a matrix under Feast's names, in its order; lists as one array a row."""
    places = {one.name: place for place, one in enumerate(scalars)}
    width = (values.shape[1] - len(scalars)) // len(per_genre)
    starts = {one.name: len(scalars) + place * width for place, one in enumerate(per_genre)}
    # A snapshot always knows how often its entity was rated.
    absent = np.isnan(values[:, places["rating_count"]])
    return {
        full: values[:, places[name]]
        if name in places
        else _arrays(values[:, starts[name] : starts[name] + width], absent)
        for name, full in names.items()
    }


def _arrays(lists: npt.NDArray[np.float32], absent: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """(n,) object: each row as an array, None where absent."""
    arrays = pd.Series(list(lists), dtype=object)
    return arrays.mask(absent, None).to_numpy(object)
