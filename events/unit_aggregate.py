"""Anyone's experiment, as rows of events or of units, summed up per arm by one Ibis expression.

A unit may have any number of rows; what it brings is one row per unit before arms are summed, since units were
randomised and events were not. The expression runs on DuckDB and on Spark alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

#: How a unit's rows become its number: added up; 1 if any is above 0; their mean, for what is the same on each; how
#: many different values they have, e.g. of sessions.
Reduction = Literal["sum", "any", "mean", "distinct"]
#: What became of units: ``kept``; ``two_variants``: their rows name several; ``no_variant``: none of their rows does.
Fate = Literal["kept", "two_variants", "no_variant"]

#: Stands for the number of a unit's rows.
ROWS = ""
SEVERAL_SEGMENTS = "(several)"
_UNIT, _VARIANT, _OTHER, _FATE = "unit", "variant", "other_variant", "fate"
_SEGMENT, _STRATUM = "segment", "stratum"


class UnitNumber(NamedTuple):
    """A number that each unit brings.

    Attributes:
        column: Of the table; ``ROWS`` counts the unit's rows.
        reduction: How the rows of a unit become one number.
    """

    column: str
    reduction: Reduction = "sum"


@dataclass(frozen=True)
class ExperimentTable:
    """Which column of a table is what.

    Attributes:
        unit: What was randomised, e.g. ``user_id``.
        variant: What the unit got.
        metrics: The numbers of each metric, e.g. numerator and denominator and their covariates.
        segment: To divide the arms by; None: undivided. Units with several values are ``SEVERAL_SEGMENTS``.
        stratum: To divide them by beside it, likewise.
    """

    unit: str
    variant: str
    metrics: Sequence[Sequence[UnitNumber]]
    segment: str | None = None
    stratum: str | None = None


class ArmCell(NamedTuple):
    """The units of one arm, in one segment and stratum.

    Attributes:
        variant: As the table has it, as text; empty where ``fate`` is not ``kept``.
        segment: As the table has it, as text; empty where none was asked for, or none of a unit's rows names one.
        fate: What became of these units.
        units: All of them, whatever their metrics.
        varied: (n_metrics,) int64, units with a number that should be the same on each of their rows and is not.
        counted: (n_metrics,) int64, units whose numbers of the metric are all there and finite.
        means: Per metric (p,) float64, over the counted units; NaN where there are none.
        crosses: Per metric (p, p) float64, summed products of the deviations from the means.
        stratum: As ``segment``.
    """

    variant: str
    segment: str
    fate: Fate
    units: int
    varied: npt.NDArray[np.int64]
    counted: npt.NDArray[np.int64]
    means: tuple[npt.NDArray[np.float64], ...]
    crosses: tuple[npt.NDArray[np.float64], ...]
    stratum: str = ""


def arm_cells(table: Any, columns: ExperimentTable) -> list[ArmCell]:
    """Run the expression and read its few rows.

    Args:
        table: An Ibis table; its columns are there and numeric where numbers are made of them.
        columns: Which is what. Rows without a unit are left out; ``rows_without_unit`` counts them.

    Returns:
        Ordered by fate, variant, segment and stratum; empty of no rows.
    """
    found = arm_expression(table, columns).to_pyarrow().to_pylist()
    cells = [_cell(row, columns) for row in found]
    return sorted(cells, key=lambda cell: (cell.fate, cell.variant, cell.segment, cell.stratum))


def rows_without_unit(table: Any, unit: str) -> int:
    """Rows that name no unit."""
    return int(table.filter(named(table, unit).isnull()).count().to_pyarrow().as_py())


def named(table: Any, column: str) -> Any:
    """A column of names; null where it is empty or no number, as tools write what is missing."""
    import ibis

    found = table[column]
    if found.type().is_string():
        return found.nullif("")
    return ibis.ifelse(finite(found), found, ibis.null(found.type())) if found.type().is_floating() else found


def finite(number: Any) -> Any:
    """Whether a floating number is neither NaN nor infinite; null of null.

    Not by asking for NaN: of a Parquet column DuckDB answers that from the file's statistics, which leave NaN out.
    """
    return number * 0 == 0


def one_segment(segment: Any) -> Any:
    """The segment of a unit's rows, to aggregate: ``SEVERAL_SEGMENTS`` where they differ, null where none names one."""
    import ibis

    return ibis.ifelse(segment.min() != segment.max(), SEVERAL_SEGMENTS, segment.min())


def arm_expression(table: Any, columns: ExperimentTable) -> Any:
    """The expression that ``arm_cells`` runs: one row per fate, variant, segment and stratum."""
    import ibis

    per_unit = unit_expression(table, columns)
    fate = ibis.cases(
        (per_unit[_VARIANT].isnull(), "no_variant"),
        (per_unit[_VARIANT] != per_unit[_OTHER], "two_variants"),
        else_="kept",
    )
    per_unit = per_unit.mutate(**{_FATE: fate})
    kept = per_unit.mutate(
        **{_VARIANT: ibis.ifelse(per_unit[_FATE] == "kept", per_unit[_VARIANT].cast("string"), ibis.null("string"))}
    )
    keys = [_FATE, _VARIANT, *_parts(columns)]
    sums = {"units": kept.count()}
    for metric, numbers in enumerate(columns.metrics):
        sums |= _moments(kept, metric, numbers)
    return kept.group_by(keys).aggregate(**sums)


def unit_expression(table: Any, columns: ExperimentTable) -> Any:
    """One row per unit: ``unit``, ``variant``, the largest one it names, ``segment``, and ``number_METRIC_PLACE``."""
    rows = table.filter(named(table, columns.unit).notnull())
    variant = named(rows, columns.variant)
    found = {_VARIANT: variant.min(), _OTHER: variant.max()}
    for name, column in _parts(columns).items():
        found[name] = one_segment(named(rows, column).cast("string"))
    for metric, numbers in enumerate(columns.metrics):
        for place, number in enumerate(numbers):
            found[_name(metric, place)] = _number(rows, number)
            if number.reduction == "mean":
                found[_varied(metric, place)] = _varies(rows, number)
    return rows.group_by(**{_UNIT: rows[columns.unit]}).aggregate(**found)


def _parts(columns: ExperimentTable) -> dict[str, str]:
    """What arms are divided by, to its column."""
    given = {_SEGMENT: columns.segment, _STRATUM: columns.stratum}
    return {name: column for name, column in given.items() if column is not None}


def _number(rows: Any, number: UnitNumber) -> Any:
    """A unit's number; null where one of its rows has none, so that what is missing is never taken for 0."""
    import ibis

    if number.column == ROWS:
        return rows.count().cast("float64")
    if number.reduction == "distinct":
        names = named(rows, number.column)
        return ibis.ifelse(names.count() == rows.count(), names.nunique().cast("float64"), ibis.null("float64"))
    column = rows[number.column].cast("float64")
    if number.reduction == "any" and rows[number.column].type().is_floating():
        # A sum or a mean shows that one of its numbers was not finite; whether any is above 0 does not.
        column = ibis.ifelse(finite(column), column, ibis.null("float64"))
    reduced = {
        "sum": column.sum(),
        "any": (column > 0).cast("float64").max(),
        "mean": column.mean(),
    }[number.reduction]
    return ibis.ifelse(column.count() == rows.count(), reduced, ibis.null("float64"))


def _varies(rows: Any, number: UnitNumber) -> Any:
    """Whether a number that should be the same on each of a unit's rows is not."""
    column = rows[number.column].cast("float64")
    return column.min() != column.max()


def _moments(kept: Any, metric: int, columns: Sequence[UnitNumber]) -> dict[str, Any]:
    """Count, means and variances of one metric over the units that have all its numbers."""
    import ibis

    size = len(columns)
    numbers = [kept[_name(metric, place)] for place in range(size)]
    there = numbers[0].notnull()
    for number in numbers:
        there = there & number.notnull() & finite(number)
    varied = [kept[_varied(metric, place)] for place in range(size) if columns[place].reduction == "mean"]
    found = {f"n_{metric}": there.sum()}
    if varied:
        found[f"varied_{metric}"] = (there & ibis.or_(*varied)).sum()
    for one in range(size):
        found[f"mean_{metric}_{one}"] = numbers[one].mean(where=there)
        found[f"cross_{metric}_{one}_{one}"] = numbers[one].var(where=there, how="pop")
        for two in range(one):
            found[f"cross_{metric}_{one}_{two}"] = numbers[one].cov(numbers[two], where=there, how="pop")
    return found


def _cell(row: dict[str, Any], columns: ExperimentTable) -> ArmCell:
    sizes = [len(numbers) for numbers in columns.metrics]
    counted = np.array([row[f"n_{metric}"] or 0 for metric in range(len(sizes))], np.int64)
    means = tuple(
        np.array([row[f"mean_{metric}_{one}"] for one in range(size)], np.float64) for metric, size in enumerate(sizes)
    )
    crosses = tuple(
        counted[metric] * np.array([[_cross(row, metric, one, two) for two in range(size)] for one in range(size)])
        for metric, size in enumerate(sizes)
    )
    return ArmCell(
        variant=row[_VARIANT] or "",
        segment=row.get(_SEGMENT) or "",
        fate=row[_FATE],
        units=row["units"],
        varied=np.array([row.get(f"varied_{metric}") or 0 for metric in range(len(sizes))], np.int64),
        counted=counted,
        means=means,
        crosses=crosses,
        stratum=row.get(_STRATUM) or "",
    )


def _cross(row: dict[str, Any], metric: int, one: int, two: int) -> float:
    found = row[f"cross_{metric}_{max(one, two)}_{min(one, two)}"]
    return 0.0 if found is None else float(found)


def _name(metric: int, place: int) -> str:
    return f"number_{metric}_{place}"


def _varied(metric: int, place: int) -> str:
    return f"varied_{metric}_{place}"
