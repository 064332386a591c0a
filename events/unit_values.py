"""What each unit brings, for tests that need more than moments: counted values per arm, or the units themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from events.quantile_aggregate import ArmKey, CountedValues, counted_by_arm
from events.unit_aggregate import ExperimentTable, finite, unit_expression

_PLACES = "number_0_"


def unit_value_counts(table: Any, columns: ExperimentTable) -> dict[ArmKey, CountedValues]:
    """How many units of each arm have each value: one GROUP BY, however many units there are.

    Args:
        table: An Ibis table, as in ``unit_aggregate.arm_cells``.
        columns: Which is what, with one metric of one number. Units of two variants or none, and units with a number
            missing, are left out.

    Returns:
        By (variant, segment), the latter empty where there are none.
    """
    kept = _kept(table, columns)
    found = kept.group_by("variant", "segment", value=kept[f"{_PLACES}0"]).aggregate(rows=kept.count())
    return counted_by_arm(found.to_pyarrow())


def unit_rows(table: Any, columns: ExperimentTable) -> dict[ArmKey, npt.NDArray[np.float64]]:
    """(n, p) float64 of each arm: the p numbers of the metric, a row per unit, in the order of the units' names.

    The order makes what is drawn from the rows the same on every machine. Arguments: ``unit_value_counts``, with one
    metric of p numbers.

    Returns:
        By (variant, segment).
    """
    kept = _kept(table, columns)
    names = [f"{_PLACES}{place}" for place in range(len(columns.metrics[0]))]
    found = kept.order_by(["variant", "segment", "unit"]).select("variant", "segment", *names).to_pyarrow()
    rows = np.stack([found[name].to_numpy() for name in names], axis=1) if len(found) else np.zeros((0, len(names)))
    key = found.select(["variant", "segment"])
    sizes = key.group_by(["variant", "segment"], use_threads=False).aggregate([([], "count_all")]).to_pylist()
    ends = np.cumsum([one["count_all"] for one in sizes])
    return {
        (one["variant"], one["segment"]): rows[end - one["count_all"] : end]
        for one, end in zip(sizes, ends.tolist(), strict=True)
    }


def _kept(table: Any, columns: ExperimentTable) -> Any:
    """(unit, variant, segment, numbers) of the units that are compared."""
    import ibis

    units = unit_expression(table, columns)
    there = units.variant == units.other_variant
    for place in range(len(columns.metrics[0])):
        number = units[f"{_PLACES}{place}"]
        there = there & number.notnull() & finite(number)
    segment = ibis.literal("") if columns.segment is None else ibis.coalesce(units.segment, "")
    return units.filter(there).mutate(variant=units.variant.cast("string"), segment=segment)
