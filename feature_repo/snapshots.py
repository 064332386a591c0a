"""Periodic snapshots of every feature as Parquet: what Feast joins offline and what goes online."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import ConfigError, DataError
from core.ids import IdIndex
from core.interactions import Interactions
from core.progress import report
from feature_repo.catalogue import (
    FORMAT,
    ITEM_FEATURES,
    ITEM_GENRE_FEATURES,
    USER_FEATURES,
    USER_GENRE_FEATURES,
    Feature,
    FeatureLayout,
)
from feature_repo.expressions.moments import DAY_S
from feature_repo.matrices import after_all, features_version
from feature_repo.rows import Rows, feature_rows, layout_of

_LAYOUT = "layout.json"
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class SnapshotSet:
    """A folder of snapshots.

    Attributes:
        folder: Where it lies.
        layout: What the columns are.
        version: What rows of it are filed under.
        as_of: Time of the last snapshot, seconds since 1970; everyone has a row then.
        every_days: Days between two snapshots.
        times: Times of the snapshots, ascending, seconds since 1970.
    """

    folder: Path
    layout: FeatureLayout
    version: str
    as_of: int
    every_days: int
    times: tuple[int, ...]

    @property
    def user_path(self) -> Path:
        """Users' rows: user_id, event_timestamp, created_timestamp, a column per feature, genre ones as lists."""
        return self.folder / "user_features.parquet"

    @property
    def item_path(self) -> Path:
        """Items' rows, with item_id."""
        return self.folder / "item_features.parquet"

    @property
    def layout_path(self) -> Path:
        """The rest as JSON."""
        return self.folder / _LAYOUT


def snapshot_times(interactions: Interactions, every_days: int) -> tuple[int, ...]:
    """As-of times of the snapshots, ascending: the last one a second after the latest rating, none before any rating.

    Raises:
        ConfigError: ``every_days`` is below 1.
        DataError: There is no rating.
    """
    if every_days < 1:
        raise ConfigError(f"every_days is {every_days}; it must be at least 1 day")
    last, step = after_all(interactions), every_days * DAY_S
    earlier = (last - int(interactions.ratings["timestamp"].min()) - 1) // step
    return tuple(range(last - earlier * step, last + 1, step))


def write_snapshots(interactions: Interactions, folder: str | Path, *, every_days: int) -> SnapshotSet:
    """Compute and write snapshots: all of them or nothing.

    Args:
        interactions: What is known.
        folder: Where; made, or replaced if it is empty or holds snapshots.
        every_days: Days between two snapshots, at least 1.

    Raises:
        ConfigError: The folder holds something else, or ``every_days`` is not allowed.
        DataError: There is no rating.
    """
    target = Path(folder)
    if target.exists() and not _replaceable(target):
        raise ConfigError(f"{target} holds other files; give a folder that is new, empty or one of snapshots")
    times = snapshot_times(interactions, every_days)
    layout, users, items = layout_of(interactions), interactions.user_index(), interactions.item_index()
    version = features_version(interactions, layout)
    user, item = feature_rows(interactions, times, layout, users, items, partial(report, "features"))
    # A folder beside the target lies on the same file system, so that the rename is atomic.
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    made = SnapshotSet(draft, layout, version, times[-1], every_days, times)
    try:
        _write(user, users, "user_id", USER_FEATURES, USER_GENRE_FEATURES, layout, made.user_path)
        _write(item, items, "item_id", ITEM_FEATURES, ITEM_GENRE_FEATURES, layout, made.item_path)
        made.layout_path.write_text(json.dumps(_document(made), indent=2) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return read_snapshots(target)


def read_snapshots(folder: str | Path) -> SnapshotSet:
    """The snapshots in a folder.

    Raises:
        DataError: A file is missing, damaged or of another format.
    """
    place = Path(folder)
    file = place / _LAYOUT
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise DataError(f"is of another format than {FORMAT}; build the features again", file=str(file))
        as_of, every_days = int(document["as_of"]), int(document["every_days"])
        times = range(as_of - (int(document["n_times"]) - 1) * every_days * DAY_S, as_of + 1, every_days * DAY_S)
        layout = FeatureLayout(tuple(document["genres"]))
        found = SnapshotSet(place, layout, str(document["version"]), as_of, every_days, tuple(times))
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}); expected a folder that write_snapshots wrote", file=str(file)
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("is no layout of feature snapshots; build the features again", file=str(file)) from error
    missing = [path.name for path in (found.user_path, found.item_path) if not path.is_file()]
    if missing:
        raise DataError(f"lacks {', '.join(missing)}; build the features again", file=str(place))
    return found


def _document(made: SnapshotSet) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": made.version,
        "genres": list(made.layout.genres),
        "as_of": made.as_of,
        "every_days": made.every_days,
        "n_times": len(made.times),
    }


def _write(
    rows: Rows,
    ids: IdIndex,
    entity: str,
    scalars: tuple[Feature, ...],
    per_genre: tuple[Feature, ...],
    layout: FeatureLayout,
    file: Path,
) -> None:
    """By id as text and then by time, as who reads a whole file wants it."""
    texts = ids.ids.astype(str)
    order = np.lexsort((rows.moment, np.argsort(np.argsort(texts))[rows.entity]))
    values, width = rows.values[order], len(layout.genres)
    time = pa.array(rows.moment[order] * 1_000_000, _TIME)
    columns: dict[str, pa.Array] = {
        entity: pa.array(texts[rows.entity[order]], pa.string()),
        "event_timestamp": time,
        "created_timestamp": time,
    }
    for place, feature in enumerate(scalars):
        columns[feature.name] = pa.array(values[:, place], pa.float32(), from_pandas=True)
    for place, feature in enumerate(per_genre):
        start = len(scalars) + place * width
        columns[feature.name] = _lists(values[:, start : start + width])
    pq.write_table(pa.table(columns), file)


def _lists(values: npt.NDArray[np.float32]) -> pa.Array:
    """(n, width) float32 as one list a row."""
    n, width = values.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * np.int32(width))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).ravel(), pa.float32()))


def _replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / _LAYOUT).is_file() or not any(target.iterdir()))
