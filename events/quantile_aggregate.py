"""What quantiles of an experiment need: every value's count per arm, and each unit's rows below a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from events.unit_aggregate import finite, named, one_segment

#: An arm, and a segment of it; empty where there are no segments.
ArmKey = tuple[str, str]


class CountedValues(NamedTuple):
    """The values of one arm's rows.

    Attributes:
        values: (k,) float64, each once, in no order.
        counts: (k,) int64, rows with it.
    """

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


class BelowThreshold(NamedTuple):
    """Rows at most a threshold, and all rows, of each unit of one arm.

    Attributes:
        units: How many.
        mean: (2,) float64, rows at most the threshold and rows, per unit.
        cross: (2, 2) float64, summed products of the deviations from the means.
    """

    units: int
    mean: npt.NDArray[np.float64]
    cross: npt.NDArray[np.float64]


def counted_values(
    table: Any, *, unit: str, variant: str, column: str, segment: str | None = None
) -> dict[ArmKey, CountedValues]:
    """Counts of each value per arm, of the units that have one variant and all their values.

    Args:
        table: An Ibis table.
        unit: Column of what was randomised.
        variant: Column of what it got.
        column: Column of the values.
        segment: Column to divide the arms by.
    """
    rows = _kept_rows(table, unit, variant, column, segment)
    return counted_by_arm(rows.group_by(["variant", "segment", "value"]).aggregate(rows=rows.count()).to_pyarrow())


def counted_by_arm(found: Any) -> dict[ArmKey, CountedValues]:
    """A table of variant, segment, value and rows, divided by arm."""
    # One row per arm, its values and counts as lists, in the same order.
    arms = found.group_by(["variant", "segment"], use_threads=False).aggregate([("value", "list"), ("rows", "list")])
    return {
        (name.as_py(), part.as_py()): CountedValues(values.values.to_numpy(), counts.values.to_numpy())
        for name, part, values, counts in zip(*(arms.column(name) for name in arms.column_names), strict=True)
    }


def rows_below(
    table: Any,
    thresholds: Mapping[ArmKey, float],
    *,
    unit: str,
    variant: str,
    column: str,
    segment: str | None = None,
) -> dict[ArmKey, BelowThreshold]:
    """Each unit's rows at most its arm's threshold, and its rows, as moments per arm.

    Args:
        table: As in ``counted_values``; so are the columns.
        thresholds: Arm to its threshold; arms that are not named are left out.
        unit: See ``counted_values``.
        variant: See ``counted_values``.
        column: See ``counted_values``.
        segment: See ``counted_values``.
    """
    import ibis

    rows = _kept_rows(table, unit, variant, column, segment)
    limit = ibis.cases(
        *(
            ((rows.variant == name) & (rows.segment == part), ibis.literal(threshold, "float64"))
            for (name, part), threshold in thresholds.items()
        ),
        else_=ibis.null("float64"),
    )
    rows = rows.mutate(below=(rows.value <= limit).cast("float64"))
    per_unit = rows.group_by(["variant", "segment", "unit"]).aggregate(
        below=rows.below.sum(), rows=rows.count().cast("float64")
    )
    found = (
        per_unit.filter(per_unit.below.notnull())
        .group_by(["variant", "segment"])
        .aggregate(
            units=lambda t: t.count(),
            mean_0=lambda t: t.below.mean(),
            mean_1=lambda t: t.rows.mean(),
            cross_00=lambda t: t.below.var(how="pop"),
            cross_01=lambda t: t.below.cov(t.rows, how="pop"),
            cross_11=lambda t: t.rows.var(how="pop"),
        )
    )
    return {
        (row["variant"], row["segment"]): BelowThreshold(
            row["units"],
            np.array([row["mean_0"], row["mean_1"]]),
            row["units"]
            * np.array([[row["cross_00"], row["cross_01"]], [row["cross_01"], row["cross_11"]]], np.float64),
        )
        for row in found.to_pyarrow().to_pylist()
    }


def _kept_rows(table: Any, unit: str, variant: str, column: str, segment: str | None) -> Any:
    """(unit, variant, segment, value) of the rows of units with one variant and no value missing or not finite."""
    import ibis

    whole_table = table.filter(named(table, unit).notnull())
    rows = whole_table.select(
        unit=whole_table[unit],
        variant=named(whole_table, variant),
        segment=ibis.null("string") if segment is None else named(whole_table, segment).cast("string"),
        value=whole_table[column].cast("float64"),
    )
    whole = (rows.value.count() == rows.count()) & finite(rows.value.sum())
    units = rows.group_by("unit").aggregate(
        arm=rows.variant.min(),
        other=rows.variant.max(),
        part=ibis.coalesce(one_segment(rows.segment), ""),
        whole=whole,
    )
    units = units.filter(units.whole & (units.arm == units.other))
    joined = rows.inner_join(units, rows.unit == units.unit)
    return joined.select(unit=rows.unit, variant=units.arm.cast("string"), segment=units.part, value=rows.value)
