"""Which events are known at which moment, and at which moments a user or an item gets a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAY_S = 86_400
#: The windows of an item's trend; a row is due until the latest event has left them.
WINDOW_S = 90 * DAY_S
#: Of the rows of an idle entity only those this many moments after its latest event are kept.
_THINNED = tuple(2**power for power in range(31))
_BEFORE_ANYTHING = -(2**62)


def moment_frame(times: Sequence[int]) -> pd.DataFrame:
    """As-of times as a table.

    Args:
        times: Seconds since 1970, ascending, distinct, at least one.

    Returns:
        place (0 …), since and moment, final (of the last one): an event is new at the moment where
        ``since <= timestamp < moment``.
    """
    moment = np.asarray(times, dtype=np.int64)
    since = np.concatenate([[_BEFORE_ANYTHING], moment[:-1]]).astype(np.int64)
    place = np.arange(len(moment), dtype=np.int64)
    return pd.DataFrame({"place": place, "since": since, "moment": moment, "final": place == len(place) - 1})


def first_known(events: ir.Table, moments: ir.Table) -> ir.Table:
    """Events with the place and moment from which on they are known; those at or after the last moment drop out.

    Args:
        events: With a column timestamp.
        moments: See :func:`moment_frame`.
    """
    return events.join(
        moments, [events.timestamp >= moments.since, events.timestamp < moments.moment], how="inner"
    ).select(*events.columns, "place", "moment")


def rows_wanted(events: ir.Table, moments: ir.Table, entity: str) -> ir.Table:
    """The rows of a snapshot table: pairs of an entity and a moment.

    A row is due wherever an event became known and until windows of 2 x 90 days have forgotten it. After that only time
    and others' doings move the entity's features, and rows thin out: 1, 2, 4, 8 … moments after the event, so that the
    recency the latest row tells is at least about half the truth. Everyone has a row at the last moment.

    Args:
        events: Columns entity, place, moment (see :func:`first_known`).
        moments: See :func:`moment_frame`.
        entity: ``user_id`` or ``item_id``.

    Returns:
        Columns entity and moment, distinct.
    """
    known = events.select(entity, "place", known="moment").distinct()
    following = known.place.lead().over(group_by=known[entity], order_by=known.place)
    stretch = known.select(entity, "known", first=known.place, following=following)
    pairs = stretch.join(
        moments,
        [moments.place >= stretch.first, (moments.place < stretch.following) | stretch.following.isnull()],
        how="inner",
    )
    due = (pairs.since <= pairs.known + 2 * WINDOW_S) | (pairs.place - pairs.first).isin(_THINNED) | pairs.final
    return pairs.filter(due).select(entity, "moment")
