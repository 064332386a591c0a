"""Totals as of many moments at once: the changes between moments, summed up as time goes on."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir


def running(
    wanted: ir.Table, changes: ir.Table, keys: Sequence[str], *, sums: Sequence[str], latest: Sequence[str] = ()
) -> ir.Table:
    """The total of every change up to a row's moment.

    Args:
        wanted: The rows to answer: ``keys`` and moment, distinct.
        changes: ``keys``, moment and the columns to total: integers, null counting as nothing.
        keys: Whose total; may be empty.
        sums: Columns to add up.
        latest: Columns of which the largest so far counts.

    Returns:
        ``keys``, moment, ``sums`` (0 where nothing changed yet) and ``latest`` (null then): a row per row wanted.
    """
    place = [*keys, "moment"]
    still = wanted.select(
        *place,
        **{name: ibis.literal(0).cast("int64") for name in sums},
        **{name: ibis.null("int64") for name in latest},
        wanted=ibis.literal(1).cast("int64"),
    )
    moved = changes.select(*place, *sums, *latest, wanted=ibis.literal(0).cast("int64"))
    both = still.union(moved)
    steps = both.group_by(place).agg(
        **{name: both[name].sum() for name in sums},
        **{name: both[name].max() for name in latest},
        wanted=both.wanted.max(),
    )
    so_far = ibis.cumulative_window(group_by=list(keys) or None, order_by="moment")
    totals = steps.select(
        *place,
        **{name: steps[name].sum().over(so_far) for name in sums},
        **{name: steps[name].max().over(so_far) for name in latest},
        wanted=steps.wanted,
    )
    return totals.filter(totals.wanted == 1).drop("wanted")
