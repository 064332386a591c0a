"""Anyone's experiment by day: what each unit brings on each day, for readings over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from events.unit_aggregate import ROWS, ExperimentTable, UnitNumber, finite, named

_DAY = 86_400
#: Seconds of the year 5138: larger ones are of a finer unit.
_TOO_LATE = 100_000_000_000
#: Text that says how far its clock is from UTC.
_WITH_OFFSET = r"(Z|z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, eq=False)
class UnitDays:
    """Rows of units and days on which they have events, ordered by unit and day.

    Attributes:
        variants: Names of the arms, in order.
        unit: (n,) int64, units numbered from 0.
        variant: (n,) int64, place of the unit's arm in ``variants``.
        day: (n,) int64, days since 1 January 1970 of the clock that was asked for.
        numbers: Per metric (n, p) float64; NaN where a number of that day is missing.
        rows_without_time: Rows of units that are compared, left out here because they say no time.
    """

    variants: tuple[str, ...]
    unit: npt.NDArray[np.int64]
    variant: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    numbers: tuple[npt.NDArray[np.float64], ...]
    rows_without_time: int


def unit_days(table: Any, columns: ExperimentTable, *, time: str, offset_minutes: int = 0) -> UnitDays:
    """Add up what each unit brings on each day, by one expression.

    Args:
        table: An Ibis table, as in ``unit_aggregate.arm_cells``; ``columns.segment`` is not looked at.
        columns: Which is what. Units of two variants or of none are left out. Different values (``distinct``) count on
            the first day they have, so that days add up.
        time: Column of whole or broken seconds since 1970, dates, timestamps, or ISO 8601 text; without an offset of
            its own in UTC.
        offset_minutes: Days begin at midnight of a clock so far ahead of UTC.

    Raises:
        DataError: The column holds no times, or seconds that are too large to be any.
    """
    rows = _timed(table, columns, time)
    missing = int(rows.second.isnull().sum().to_pyarrow().as_py() or 0)
    rows = rows.filter(rows.second.notnull())
    rows = rows.mutate(day=((rows.second + offset_minutes * 60) / _DAY).floor().cast("int64"))
    found = _summed(rows, columns.metrics).order_by(["unit", "day"]).to_pyarrow()
    variant = found["variant"].to_numpy(zero_copy_only=False).astype(str)
    variants, places = np.unique(variant, return_inverse=True)
    numbers = tuple(
        np.stack([found[f"number_{metric}_{place}"].to_numpy().astype(np.float64) for place in range(len(parts))], 1)
        for metric, parts in enumerate(columns.metrics)
    )
    return UnitDays(
        variants=tuple(variants.tolist()),
        unit=found["unit"].to_numpy().astype(np.int64),
        variant=places.astype(np.int64),
        day=found["day"].to_numpy().astype(np.int64),
        numbers=numbers,
        rows_without_time=missing,
    )


def event_seconds(table: Any, column: str) -> Any:
    """Seconds since 1970 of a column of times, as float64; null where a row says none.

    Raises:
        DataError: It holds no times, or seconds that are too large to be any.
    """
    import ibis

    found = table[column]
    kind = found.type()
    if kind.is_numeric():
        seconds = found.cast("float64")
        seconds = ibis.ifelse(finite(seconds), seconds, ibis.null("float64"))
        latest = table.aggregate(latest=seconds.abs().max()).to_pyarrow()["latest"][0].as_py()
        if latest is not None and latest >= _TOO_LATE:
            raise DataError(f"column {column!r} holds {latest:.0f}, must hold seconds since 1970; divide milliseconds")
        return seconds
    if kind.is_string():
        return _seconds_of_text(table, column)
    if not (kind.is_timestamp() or kind.is_date()):
        raise DataError(f"column {column!r} holds {kind}, must hold times: seconds since 1970, dates or ISO 8601 text")
    return found.cast("timestamp").epoch_seconds().cast("float64") if kind.is_date() else _epoch(found)


def _epoch(timestamp: Any) -> Any:
    return timestamp.epoch_seconds().cast("float64")


def _seconds_of_text(table: Any, column: str) -> Any:
    import ibis

    text = named(table, column)
    # A time with an offset says when it was; one without is of UTC, whatever this machine's clock.
    seconds = ibis.ifelse(
        text.re_search(_WITH_OFFSET),
        _epoch(text.try_cast("timestamp('UTC')")),
        _epoch(text.try_cast("timestamp")),
    )
    odd = table.filter(text.notnull() & seconds.isnull()).limit(1)[column].to_pyarrow()
    if len(odd):
        raise DataError(
            f"column {column!r} holds {odd[0].as_py()!r}, must hold times: seconds since 1970, dates or ISO 8601 text; "
            "leave a cell empty where there is none"
        )
    return seconds


def _timed(table: Any, columns: ExperimentTable, time: str) -> Any:
    """(unit, variant, second, the metrics' columns) of the rows of units that have one variant."""
    import ibis

    seconds = event_seconds(table, time)
    rows = table.mutate(__second=seconds)
    rows = rows.filter(named(rows, columns.unit).notnull())
    used = {number.column for numbers in columns.metrics for number in numbers if number.column != ROWS}
    rows = rows.select(
        unit=rows[columns.unit],
        arm=named(rows, columns.variant),
        second=rows["__second"],
        **{f"column_{place}": rows[name] for place, name in enumerate(sorted(used))},
    )
    units = rows.group_by("unit").aggregate(variant=rows.arm.min(), other=rows.arm.max())
    units = units.filter(units.variant == units.other)
    units = units.mutate(number=ibis.row_number().over(order_by=units.unit))
    joined = rows.inner_join(units, rows.unit == units.unit)
    return joined.select(
        unit=units.number,
        variant=units.variant.cast("string"),
        second=rows.second,
        **{name: rows[f"column_{place}"] for place, name in enumerate(sorted(used))},
    )


def _summed(rows: Any, metrics: Sequence[Sequence[UnitNumber]]) -> Any:
    """One row per unit and day."""
    distinct = sorted({number.column for numbers in metrics for number in numbers if number.reduction == "distinct"})
    rows = rows.mutate(**{_first(place): _comes_first(rows, name) for place, name in enumerate(distinct)})
    sums: dict[str, Any] = {"rows": rows.count()}
    for metric, numbers in enumerate(metrics):
        for place, number in enumerate(numbers):
            is_name = number.reduction == "distinct"
            column = rows[_first(distinct.index(number.column))] if is_name else None
            sums[f"number_{metric}_{place}"] = _number(rows, number, column)
    return rows.group_by(["unit", "variant", "day"]).aggregate(**sums)


def _comes_first(rows: Any, name: str) -> Any:
    """1 on the first row of each of a unit's different names, 0 on others, null where there is no name."""
    import ibis

    text = named(rows, name)
    place = ibis.row_number().over(group_by=[rows.unit, text], order_by=rows.second)
    return ibis.ifelse(text.isnull(), ibis.null("float64"), (place == 0).cast("float64"))


def _number(rows: Any, number: UnitNumber, column: Any) -> Any:
    """What a unit brings on a day; null where one of its rows has no finite number."""
    import ibis

    if number.column == ROWS:
        return rows.count().cast("float64")
    column = rows[number.column].cast("float64") if column is None else column
    column = ibis.ifelse(finite(column), column, ibis.null("float64"))
    reduced = (column > 0).cast("float64").max() if number.reduction == "any" else column.sum()
    return ibis.ifelse(column.count() == rows.count(), reduced, ibis.null("float64"))


def _first(place: int) -> str:
    return f"first_{place}"
