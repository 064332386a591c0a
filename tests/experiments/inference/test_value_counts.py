"""Counted values: merging, quantiles as numpy has them, and what cannot be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.inference.value_counts import ValueCounts

ROWS = st.lists(st.sampled_from([-2.5, 0.0, 1.0, 1.5, 7.0, 1e6]), max_size=20)


@given(ROWS, ROWS)
def test_merged_is_the_whole(first: list[float], second: list[float]) -> None:
    merged = ValueCounts.from_rows(first).merge(ValueCounts.from_rows(second))
    whole = ValueCounts.from_rows(first + second)
    assert merged.values.tolist() == whole.values.tolist()
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.n == len(first) + len(second)


@given(ROWS.filter(bool), st.floats(0, 1))
def test_quantiles_are_those_of_the_rows(rows: list[float], level: float) -> None:
    assert ValueCounts.from_rows(rows).quantile(level) == pytest.approx(float(np.quantile(rows, level)), abs=1e-6)


def test_tables_in_any_order_with_repeats_and_zeros() -> None:
    table = ValueCounts.from_table([3.0, 1.0, 3.0, 2.0], [2, 1, 4, 0])
    assert (table.values.tolist(), table.counts.tolist(), table.n) == ([1.0, 3.0], [1, 6], 7)


def test_a_billion_of_each() -> None:
    table = ValueCounts.from_table([1.0, 2.0, 4.0], [10**9] * 3)
    assert (table.n, table.quantile(0.5), table.quantile(1.0)) == (3 * 10**9, 2.0, 4.0)
    assert ValueCounts.from_rows([-1.7e308, 1.7e308]).quantile(0.5) == 0.0


def test_nothing_counted() -> None:
    empty = ValueCounts.empty()
    assert empty.n == 0
    assert math.isnan(empty.quantile(0.5))
    assert empty.merge(ValueCounts.from_rows([2.0])).values.tolist() == [2.0]
    assert ValueCounts.from_rows([]).n == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 values are not finite"):
        ValueCounts.from_rows([1.0, math.nan])
    for counts in ([-1], [0.5], [math.nan]):
        with pytest.raises(DataError, match="whole numbers >= 0"):
            ValueCounts.from_table([1.0], counts)
    with pytest.raises(DataError, match="both must be"):
        ValueCounts.from_table([1.0, 2.0], [1])
    with pytest.raises(ConfigError, match=r"level == 1.5, must be within 0 … 1"):
        ValueCounts.empty().quantile(1.5)
