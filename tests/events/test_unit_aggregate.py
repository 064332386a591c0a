"""Events summed up per arm, against pandas, and what becomes of rows that cannot be counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from events.unit_aggregate import (
    ROWS,
    SEVERAL_SEGMENTS,
    ArmCell,
    ExperimentTable,
    UnitNumber,
    arm_cells,
    rows_without_unit,
)

REVENUE = (UnitNumber("revenue"), UnitNumber("before", "mean"))
RATE = (UnitNumber("click"), UnitNumber(ROWS))
ANY = (UnitNumber("click", "any"),)


@pytest.fixture
def connection() -> Iterator[Any]:
    opened = ibis.duckdb.connect()
    yield opened
    opened.disconnect()


def events(seed: int = 0, n: int = 4_000, n_units: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit = rng.integers(n_units, size=n)
    return pd.DataFrame(
        {
            "user": unit,
            "arm": np.where(unit % 3 == 0, "a", "b"),
            "country": np.where(unit % 2 == 0, "kr", "de"),
            "click": rng.integers(0, 2, n),
            "revenue": rng.exponential(1.0, n) + 1e6,
            "before": (unit * 7 % 11).astype(float),
        }
    )


def cells_of(connection: Any, frame: pd.DataFrame, **columns: Any) -> list[ArmCell]:
    table = connection.create_table("events", frame, overwrite=True)
    return arm_cells(table, ExperimentTable(**{"unit": "user", "variant": "arm", "metrics": [REVENUE], **columns}))


@pytest.mark.parametrize("segment", [None, "country"])
def test_agrees_with_pandas(connection: Any, segment: str | None) -> None:
    frame = events()
    found = cells_of(connection, frame, metrics=[REVENUE, RATE, ANY], segment=segment)
    per_unit = frame.groupby("user").agg(
        arm=("arm", "first"),
        country=("country", "first"),
        revenue=("revenue", "sum"),
        before=("before", "mean"),
        clicks=("click", "sum"),
        rows=("click", "size"),
        any=("click", "max"),
    )
    keys = ["arm"] if segment is None else ["arm", segment]
    expected = {key if isinstance(key, tuple) else (key,): part for key, part in per_unit.groupby(keys)}
    assert {(cell.variant, cell.segment) if segment else (cell.variant,) for cell in found} == expected.keys()
    for cell in found:
        part = expected[(cell.variant, cell.segment) if segment else (cell.variant,)]
        assert (cell.fate, cell.units, cell.counted.tolist()) == ("kept", len(part), [len(part)] * 3)
        for metric, names in enumerate((["revenue", "before"], ["clicks", "rows"], ["any"])):
            numbers = part[names].to_numpy(float)
            np.testing.assert_allclose(cell.means[metric], numbers.mean(axis=0), rtol=1e-12)
            apart = numbers - numbers.mean(axis=0)
            np.testing.assert_allclose(cell.crosses[metric], apart.T @ apart, rtol=1e-6, atol=1e-4)


def test_a_unit_in_two_arms_and_one_in_none_are_kept_apart(connection: Any) -> None:
    frame = pd.DataFrame(
        {"user": [1, 1, 2, 3, 4, 4], "arm": ["a", "b", None, "a", "b", None], "revenue": [1.0, 1, 1, 5, 7, 1]}
    )
    found = cells_of(connection, frame, metrics=[(UnitNumber("revenue"),)])
    assert [(cell.fate, cell.variant, cell.units) for cell in found] == [
        ("kept", "a", 1),
        ("kept", "b", 1),
        ("no_variant", "", 1),
        ("two_variants", "", 1),
    ]
    assert [cell.means[0].tolist() for cell in found[:2]] == [[5.0], [8.0]]


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf")])
def test_a_unit_with_a_number_missing_is_not_counted_for_that_metric_alone(connection: Any, bad: float | None) -> None:
    table = connection.create_table("bad", ibis.memtable({"user": [1, 1, 2], "arm": ["a"] * 3, "click": [1, 0, 1]}))
    table = table.mutate(revenue=ibis.ifelse((table.user == 1) & (table.click == 1), bad, 2.0).cast("float64"))
    (cell,) = arm_cells(table, ExperimentTable("user", "arm", [(UnitNumber("revenue"),), ANY]))
    assert (cell.units, cell.counted.tolist()) == (2, [1, 2])
    assert cell.means[0].tolist() == [2.0]


def test_rows_without_a_unit_are_told_and_left_out(connection: Any) -> None:
    frame = pd.DataFrame({"user": ["x", None, None], "arm": ["a", "a", "b"], "revenue": [1.0, 2.0, 3.0]})
    (cell,) = cells_of(connection, frame, metrics=[(UnitNumber("revenue"),)])
    assert (cell.units, cell.means[0].tolist()) == (1, [1.0])
    assert rows_without_unit(connection.table("events"), "user") == 2


def test_a_unit_of_several_segments_is_of_none(connection: Any) -> None:
    frame = events().assign(country="kr")
    frame.loc[frame.index[:1], "country"] = "de"
    found = cells_of(connection, frame, metrics=[RATE], segment="country")
    several = [cell for cell in found if cell.segment == SEVERAL_SEGMENTS]
    assert [cell.units for cell in several] == [1]
    assert sum(cell.units for cell in found) == frame["user"].nunique()


def test_no_rows_give_no_cells_and_one_unit_no_spread(connection: Any) -> None:
    nothing = connection.create_table("nothing", events()).filter(ibis.literal(False))
    assert arm_cells(nothing, ExperimentTable("user", "arm", [REVENUE], "country")) == []
    (cell,) = cells_of(connection, events()[:1])
    assert (cell.units, cell.crosses[0].tolist()) == (1, [[0.0, 0.0], [0.0, 0.0]])


def test_variants_that_are_no_text_are_told_as_text(connection: Any) -> None:
    frame = pd.DataFrame({"user": [1, 2], "arm": [True, False], "revenue": [1.0, 2.0]})
    assert [cell.variant for cell in cells_of(connection, frame, metrics=[(UnitNumber("revenue"),)])] == [
        "false",
        "true",
    ]


@pytest.mark.parametrize("on_disk", [True, False])
def test_nothing_is_made_of_what_is_no_number(connection: Any, tmp_path: Path, on_disk: bool) -> None:
    flags = pa.array([1.0, 0.0, np.nan, np.inf, -np.inf, 0.0, np.nan], pa.float64())
    table = pa.table({"user": [1, 2, 3, 4, 5, 6, 6], "arm": ["a"] * 7, "click": flags})
    pq.write_table(table, tmp_path / "written.parquet")
    # The statistics of a Parquet file leave NaN out, and DuckDB believes them.
    written = (
        connection.read_parquet(str(tmp_path / "written.parquet"))
        if on_disk
        else connection.create_table("written", table)
    )
    (cell,) = arm_cells(written, ExperimentTable("user", "arm", [ANY, RATE, ANY[:1] + RATE[1:]]))
    assert (cell.units, cell.counted.tolist()) == (6, [2, 2, 2])
    assert [means.tolist() for means in cell.means] == [[0.5], [0.5, 1.0], [0.5, 1.0]]


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_names_are_no_names(connection: Any, nothing: str | None) -> None:
    frame = pd.DataFrame(
        {
            "user": ["1", "2", nothing, nothing, "3"],
            "arm": ["a", "b", "a", "b", nothing],
            "country": ["kr", nothing, "kr", "kr", "kr"],
            "revenue": 1.0,
        }
    )
    found = cells_of(connection, frame, metrics=[(UnitNumber("revenue"),)], segment="country")
    assert [(cell.fate, cell.variant, cell.segment, cell.units) for cell in found] == [
        ("kept", "a", "kr", 1),
        ("kept", "b", "", 1),
        ("no_variant", "", "kr", 1),
    ]
    assert rows_without_unit(connection.table("events"), "user") == 2


def test_a_unit_that_is_no_number_is_no_unit(connection: Any, tmp_path: Path) -> None:
    users = pa.array([1.0, np.nan, np.nan], pa.float64())
    pq.write_table(pa.table({"user": users, "arm": ["a", "a", "b"], "click": [1, 1, 1]}), tmp_path / "written.parquet")
    table = connection.read_parquet(str(tmp_path / "written.parquet"))
    (cell,) = arm_cells(table, ExperimentTable("user", "arm", [ANY]))
    assert (cell.variant, cell.units, rows_without_unit(table, "user")) == ("a", 1, 2)


def test_numbers_that_should_be_the_same_on_each_row_are_watched(connection: Any) -> None:
    frame = pd.DataFrame({"user": [1, 1, 2, 2, 3], "arm": "a", "revenue": 1.0, "before": [1.0, 1.0, 2.0, 3.0, 4.0]})
    (cell,) = cells_of(connection, frame, metrics=[REVENUE, REVENUE[:1]])
    assert cell.varied.tolist() == [1, 0]
