"""Values of units, counted and in rows, against pandas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from events.unit_aggregate import ROWS, ExperimentTable, UnitNumber, arm_cells
from events.unit_values import unit_rows, unit_value_counts


@pytest.fixture
def table() -> Iterator[Any]:
    connection = ibis.duckdb.connect()
    yield connection.create_table("events", events())
    connection.disconnect()


def events() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit = rng.integers(300, size=2_000)
    frame = pd.DataFrame(
        {
            "user": unit,
            "arm": np.where(unit % 3 == 0, "a", "b"),
            "country": np.where(unit % 2 == 0, "kr", "de"),
            "visit": rng.integers(0, 4, 2_000).astype(str),
            "paid": rng.integers(0, 4, 2_000).astype(float),
        }
    )
    # One unit in two arms, one with a number missing, one that is no number.
    frame.loc[frame.index[frame["user"] == 3][:1], "arm"] = "b"
    frame.loc[frame.index[frame["user"] == 4][:1], "paid"] = None
    frame.loc[frame.index[frame["user"] == 5][:1], "paid"] = np.inf
    return frame


def per_unit() -> pd.DataFrame:
    frame = events()
    frame = frame[~frame["user"].isin([3, 4, 5])]
    found = frame.groupby("user").agg(
        arm=("arm", "first"), country=("country", "first"), paid=("paid", "sum"), rows=("paid", "size")
    )
    return found.sort_index()


@pytest.mark.parametrize("segment", [None, "country"])
def test_counts_and_rows_agree_with_pandas(table: Any, segment: str | None) -> None:
    counted = unit_value_counts(table, ExperimentTable("user", "arm", [(UnitNumber("paid"),)], segment))
    rows = unit_rows(table, ExperimentTable("user", "arm", [(UnitNumber("paid"), UnitNumber(ROWS))], segment))
    expected = per_unit()
    keys = [(arm, part) for arm in "ab" for part in (("",) if segment is None else ("de", "kr"))]
    assert sorted(counted) == sorted(rows) == keys
    for arm, part in keys:
        own = expected[(expected["arm"] == arm) & ((expected["country"] == part) if part else True)]
        values = own["paid"].value_counts()
        found = counted[arm, part]
        assert dict(zip(found.values.tolist(), found.counts.tolist(), strict=True)) == values.to_dict()
        # In the order of the units.
        assert rows[arm, part].tolist() == own[["paid", "rows"]].to_numpy(float).tolist()


def test_no_units_give_no_arms(table: Any) -> None:
    columns = ExperimentTable("user", "arm", [(UnitNumber("paid"),)])
    nothing = table.filter(ibis.literal(False))
    assert (unit_value_counts(nothing, columns), unit_rows(nothing, columns)) == ({}, {})


def test_different_values_are_counted_and_strata_divide(table: Any) -> None:
    columns = ExperimentTable("user", "arm", [(UnitNumber("visit", "distinct"),)], stratum="country")
    cells = [cell for cell in arm_cells(table, columns) if cell.fate == "kept"]
    frame = events()
    frame = frame[frame["user"] != 3]
    expected = frame.groupby(["user", "arm", "country"])["visit"].nunique().groupby(["arm", "country"]).mean()
    assert {(cell.variant, cell.stratum): cell.means[0].item() for cell in cells} == pytest.approx(expected.to_dict())
    assert {cell.segment for cell in cells} == {""}


def test_a_row_without_a_session_leaves_its_unit_out() -> None:
    rows = ibis.memtable({"user": [1, 1, 2], "arm": ["a"] * 3, "visit": ["x", "", "y"]})
    (cell,) = arm_cells(rows, ExperimentTable("user", "arm", [(UnitNumber("visit", "distinct"),)]))
    assert (cell.units, cell.counted.tolist(), cell.means[0].tolist()) == (2, [1], [1.0])
