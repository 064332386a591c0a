"""What units bring by day, against pandas, and how times may be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from events.unit_aggregate import ROWS, ExperimentTable, UnitNumber
from events.unit_days import UnitDays, event_seconds, unit_days

PAID, RATE, ANY = (UnitNumber("paid"),), (UnitNumber("paid"), UnitNumber(ROWS)), (UnitNumber("paid", "any"),)
VISITS = (UnitNumber("visit", "distinct"),)


@pytest.fixture
def connection() -> Iterator[Any]:
    opened = ibis.duckdb.connect()
    yield opened
    opened.disconnect()


def events(n: int = 3_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit = rng.integers(400, size=n)
    return pd.DataFrame(
        {
            "user": [f"u{number:03}" for number in unit],
            "arm": np.where(unit % 2 == 0, "old", "new"),
            "paid": rng.integers(0, 3, n).astype(float),
            "visit": rng.integers(0, 5, n).astype(str),
            # Also before 1970.
            "at": rng.integers(-3 * 86_400, 4 * 86_400, n),
        }
    )


def read(connection: Any, frame: pd.DataFrame, *metrics: Any, time: str = "at", offset: int = 0) -> UnitDays:
    table = connection.create_table("events", frame, overwrite=True)
    return unit_days(table, ExperimentTable("user", "arm", list(metrics)), time=time, offset_minutes=offset)


@pytest.mark.parametrize("offset", [0, 540, -300])
def test_days_agree_with_pandas(connection: Any, offset: int) -> None:
    frame = events()
    found = read(connection, frame, PAID, RATE, ANY, offset=offset)
    frame["day"] = (frame["at"] + offset * 60) // 86_400
    expected = (
        frame.groupby(["user", "day"])
        .agg(arm=("arm", "first"), paid=("paid", "sum"), rows=("paid", "size"), any=("paid", lambda one: one.max() > 0))
        .reset_index()
        .sort_values(["user", "day"])
    )
    assert found.day.tolist() == expected["day"].tolist()
    assert found.unit.tolist() == pd.factorize(expected["user"])[0].tolist()
    assert [found.variants[place] for place in found.variant] == expected["arm"].tolist()
    np.testing.assert_array_equal(found.numbers[0], expected[["paid"]])
    np.testing.assert_array_equal(found.numbers[1], expected[["paid", "rows"]])
    np.testing.assert_array_equal(found.numbers[2][:, 0], expected["any"].astype(float))
    assert found.rows_without_time == 0


def test_different_values_count_once_so_that_days_add_up(connection: Any) -> None:
    frame = events()
    found = read(connection, frame, VISITS)
    so_far = pd.Series(found.numbers[0][:, 0]).groupby(found.unit).sum()
    assert so_far.tolist() == frame.groupby("user")["visit"].nunique().tolist()


def test_units_of_two_arms_rows_without_time_and_missing_numbers(connection: Any) -> None:
    frame = pd.DataFrame(
        {
            "user": ["a", "a", "b", "b", "c", None],
            "arm": ["old", "new", "old", None, "new", "new"],
            "paid": [1.0, 1.0, np.nan, 2.0, np.inf, 1.0],
            "at": [0.0, 0.0, np.nan, 5.0, 9.0, 0.0],
        }
    )
    found = read(connection, frame, PAID)
    # Of a in both arms nothing; of b the row that says a time; c brings no finite number.
    assert (found.rows_without_time, found.variants) == (1, ("new", "old"))
    assert found.numbers[0].tolist()[0] == [2.0]
    assert np.isnan(found.numbers[0][1, 0])


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([0, 86_399], [0.0, 86_399.0]),
        ([0.5, np.nan], [0.5, None]),
        (["1970-01-02", "1970-01-01T00:00:30"], [86_400.0, 30.0]),
        (["1970-01-01T09:00:00+09:00", "1970-01-01 00:01:00Z"], [0.0, 60.0]),
        (["1970-01-01 00:00:01", None], [1.0, None]),
        (pd.to_datetime(["1970-01-01 00:00:01", None]), [1.0, None]),
        (pd.to_datetime(["1970-01-01 09:00", "1970-01-02 09:00"]).tz_localize("Asia/Seoul"), [0.0, 86_400.0]),
        ([pd.Timestamp("1970-01-02").date(), None], [86_400.0, None]),
    ],
)
def test_times_may_be_written_in_many_ways(connection: Any, times: Any, seconds: list[float | None]) -> None:
    table = connection.create_table("times", pd.DataFrame({"at": times}))
    found = table.mutate(second=event_seconds(table, "at")).to_pyarrow()["second"].to_pylist()
    assert found == seconds


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (["1970-01-02", "yesterday"], "column 'at' holds 'yesterday', must hold times"),
        ([1_772_359_200_000], "column 'at' holds 1772359200000, must hold seconds since 1970; divide milliseconds"),
        ([True, False], "column 'at' holds boolean, must hold times"),
    ],
)
def test_what_is_no_time_is_one_line(connection: Any, times: Any, told: str) -> None:
    table = connection.create_table("times", pd.DataFrame({"at": times}))
    with pytest.raises(DataError, match=told):
        event_seconds(table, "at")


def test_no_times_at_all_are_no_days(connection: Any) -> None:
    found = read(connection, events().assign(at=np.nan), PAID, RATE)
    assert (len(found.day), found.variants, found.rows_without_time) == (0, (), 3_000)
    assert [numbers.shape for numbers in found.numbers] == [(0, 1), (0, 2)]
    assert read(connection, events()).numbers == ()
