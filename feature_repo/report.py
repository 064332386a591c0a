"""The page about built features: what there is, how it is spread, what was checked. It fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import (
    ITEM_FEATURES,
    ITEM_GENRE_FEATURES,
    USER_FEATURES,
    USER_GENRE_FEATURES,
    Feature,
)
from feature_repo.checks import Check
from feature_repo.offline import SnapshotTable
from feature_repo.snapshots import SnapshotSet

_TEMPLATE = "report.html.jinja"
_BARS = 24
_HEIGHT = 28


class Spread(NamedTuple):
    """How a feature's values are spread.

    Attributes:
        name: The feature.
        meaning: From the catalogue.
        missing: Share of rows without it, 0 … 1.
        quantiles: Least, 5 %, median, 95 %, largest; empty where every row lacks it.
        bars: Heights of a histogram from least to largest, 0 … _HEIGHT; empty likewise, or where all are the same.
    """

    name: str
    meaning: str
    missing: float
    quantiles: list[str]
    bars: list[float]


class Section(NamedTuple):
    """Users or items.

    Attributes:
        title: "Users" or "Items".
        n: How many.
        n_rows: Rows over all snapshots.
        spreads: Of the last snapshot.
    """

    title: str
    n: int
    n_rows: int
    spreads: list[Spread]


def features_html(snapshots: SnapshotSet, users: SnapshotTable, items: SnapshotTable, checks: Sequence[Check]) -> str:
    """A page of its own in which every text is escaped.

    Args:
        snapshots: What was built.
        users: Its users' rows.
        items: Its items' rows.
        checks: What was checked, passed or not.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    layout = snapshots.layout
    return pages.get_template(_TEMPLATE).render(
        facts=_facts(snapshots),
        checks=checks,
        sections=[
            _section("Users", snapshots, users, layout.user_names, USER_FEATURES, USER_GENRE_FEATURES),
            _section("Items", snapshots, items, layout.item_names, ITEM_FEATURES, ITEM_GENRE_FEATURES),
        ],
        height=_HEIGHT,
    )


def spread(name: str, meaning: str, values: npt.NDArray[np.float32]) -> Spread:
    """The spread of a feature.

    Args:
        name: The feature.
        meaning: What it says.
        values: (n,) float32, NaN = missing.
    """
    known = values[~np.isnan(values)]
    missing = 1 - len(known) / len(values) if len(values) else 1.0
    if not len(known):
        return Spread(name, meaning, missing, [], [])
    quantiles = [_figure(value) for value in np.quantile(known, [0, 0.05, 0.5, 0.95, 1])]
    if known.min() == known.max():
        return Spread(name, meaning, missing, quantiles, [])
    counts, _ = np.histogram(known, _BARS)
    return Spread(name, meaning, missing, quantiles, (_HEIGHT * counts / counts.max()).round(1).tolist())


def _section(
    title: str,
    snapshots: SnapshotSet,
    table: SnapshotTable,
    names: Sequence[str],
    scalars: Sequence[Feature],
    per_genre: Sequence[Feature],
) -> Section:
    latest = table.latest(table.ids, np.int64(snapshots.as_of))
    meanings = dict(_meanings(scalars, per_genre, snapshots.layout.genres))
    spreads = [spread(name, meanings[name], latest[:, place]) for place, name in enumerate(names)]
    return Section(title, len(table.ids), len(table.time), spreads)


def _meanings(
    scalars: Sequence[Feature], per_genre: Sequence[Feature], genres: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for one in scalars:
        yield one.name, one.meaning
    for one in per_genre:
        for genre in genres:
            yield f"{one.name} {genre}", one.meaning


def _facts(snapshots: SnapshotSet) -> Mapping[str, str]:
    return {
        "Version": snapshots.version,
        "As of": f"{_date(snapshots.as_of)} UTC, a second after the latest rating",
        "Snapshots": f"{len(snapshots.times):,}, every {snapshots.every_days} days since {_date(snapshots.times[0])}",
        "Genres": ", ".join(snapshots.layout.genres) or "none",
    }


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _date(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S}"
