"""Value counts and rows below a threshold, against pandas."""

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

from events.quantile_aggregate import counted_values, rows_below
from events.unit_aggregate import SEVERAL_SEGMENTS

COLUMNS = {"unit": "user", "variant": "arm", "column": "wait"}


@pytest.fixture
def connection() -> Iterator[Any]:
    opened = ibis.duckdb.connect()
    yield opened
    opened.disconnect()


def events() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit = rng.integers(200, size=3_000)
    return pd.DataFrame(
        {
            "user": unit,
            "arm": np.where(unit % 2 == 0, "a", "b"),
            "country": np.where(unit % 3 == 0, "kr", "de"),
            "wait": rng.integers(1, 50, len(unit)).astype(float),
        }
    )


def test_counts_and_rows_below_agree_with_pandas(connection: Any) -> None:
    frame = events()
    table = connection.create_table("events", frame)
    counted = counted_values(table, **COLUMNS)
    assert counted.keys() == {("a", ""), ("b", "")}
    thresholds = {("a", ""): 20.0, ("b", ""): 30.0}
    below = rows_below(table, thresholds, **COLUMNS)
    for (arm, _), found in counted.items():
        mine = frame[frame["arm"] == arm]
        expected = mine["wait"].value_counts()
        assert dict(zip(found.values.tolist(), found.counts.tolist(), strict=True)) == expected.to_dict()
        per_unit = mine.assign(below=mine["wait"] <= thresholds[arm, ""]).groupby("user")["below"].agg(["sum", "size"])
        numbers = per_unit.to_numpy(float)
        assert below[arm, ""].units == len(numbers)
        np.testing.assert_allclose(below[arm, ""].mean, numbers.mean(axis=0))
        np.testing.assert_allclose(below[arm, ""].cross, np.cov(numbers.T) * (len(numbers) - 1), rtol=1e-9)


def test_segments_and_units_that_do_not_count(connection: Any) -> None:
    frame = events()
    frame.loc[frame["user"] == 0, "arm"] = ["a"] + ["b"] * (int((frame["user"] == 0).sum()) - 1)
    first_of_two = frame.index[frame["user"] == 2][0]
    frame.loc[first_of_two, "wait"] = np.inf
    frame.loc[frame.index[frame["user"] == 4][0], "country"] = "kr"
    table = connection.create_table("events", frame)
    counted = counted_values(table, **COLUMNS, segment="country")
    assert set(counted) == {("a", "de"), ("a", "kr"), ("a", SEVERAL_SEGMENTS), ("b", "de"), ("b", "kr")}
    left = frame[~frame["user"].isin([0, 2])]
    assert sum(found.counts.sum() for found in counted.values()) == len(left)
    below = rows_below(table, {("a", "kr"): 10.0}, **COLUMNS, segment="country")
    mine = left[(left["arm"] == "a") & (left["country"] == "kr") & (left["user"] != 4)]
    assert below.keys() == {("a", "kr")}
    assert below["a", "kr"].units == mine["user"].nunique()
    assert below["a", "kr"].mean[0] * below["a", "kr"].units == (mine["wait"] <= 10).sum()


def test_units_without_segment_are_of_none_and_no_rows_give_no_arms(connection: Any) -> None:
    frame = events()
    frame.loc[frame["user"] == 1, "country"] = None
    # A unit whose other rows name a segment is of that one.
    frame.loc[frame.index[frame["user"] == 3][0], "country"] = None
    table = connection.create_table("events", frame)
    counted = counted_values(table, **COLUMNS, segment="country")
    assert counted.keys() == {("a", "de"), ("a", "kr"), ("b", ""), ("b", "de"), ("b", "kr")}
    assert counted["b", ""].counts.sum() == (frame["user"] == 1).sum()
    assert counted_values(table.filter(ibis.literal(False)), **COLUMNS) == {}


def test_units_with_what_is_no_number_do_not_count_on_disk_either(connection: Any, tmp_path: Path) -> None:
    waits = pa.array([1.0, 2.0, np.nan, np.inf], pa.float64())
    pq.write_table(pa.table({"user": [1, 2, 2, 3], "arm": ["a"] * 4, "wait": waits}), tmp_path / "written.parquet")
    counted = counted_values(connection.read_parquet(str(tmp_path / "written.parquet")), **COLUMNS)
    assert counted["a", ""].values.tolist() == [1.0]
