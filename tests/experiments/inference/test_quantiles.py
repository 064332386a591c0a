"""Quantiles: by hand, covering where events are independent and where they cluster, and what has no interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.estimates import ratio_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.inference.quantiles import clustered_quantile_estimate, counts_below, quantile_estimate
from experiments.inference.value_counts import ValueCounts

#: A 95 % interval, three binomial standard errors wider and one point for few units.
_SLACK = 0.01


def bounds(runs: int) -> tuple[float, float]:
    slack = _SLACK + 3 * math.sqrt(0.05 * 0.95 / runs)
    return 0.95 - slack, 0.95 + slack


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95])
def test_the_variance_is_that_of_the_theory(level: float) -> None:
    rows = stats.expon.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = quantile_estimate(ValueCounts.from_rows(rows), level)
    assert found.value == pytest.approx(-math.log(1 - level), rel=1e-3)
    # The density of an exponential at its quantile p is 1 - p.
    assert found.variance == pytest.approx(level * (1 - level) / 20_000 / (1 - level) ** 2, rel=0.02)
    assert (found.n, found.status) == (20_000, "ok")


def test_by_hand() -> None:
    # 101 values 0 … 100, median 50; σ = .5 / √101; the window's ends are 100 (.5 ± 1.96 σ): se = 100 σ.
    found = quantile_estimate(ValueCounts.from_rows(range(101)), 0.5)
    assert found.value == 50.0
    assert math.sqrt(found.variance) == pytest.approx(100 * 0.5 / math.sqrt(101))


def clustered(rng: np.random.Generator, n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Users with few and many events, each with a level of its own."""
    events = rng.geometric(0.15, n_units)
    units = np.repeat(np.arange(n_units), events)
    return units, np.repeat(rng.normal(0.0, 1.0, n_units), events) + rng.normal(0.0, 1.0, len(units))


def coverage(runs: int, n_units: int, level: float) -> tuple[float, float, float]:
    """Of independent values, of clustered ones, and of clustered ones taken for independent."""
    rng = np.random.default_rng(1)
    truth, spread = stats.norm.ppf(level), math.sqrt(2)
    held = np.zeros(3)
    for _ in range(runs):
        independent = quantile_estimate(ValueCounts.from_rows(rng.normal(0.0, 1.0, n_units)), level)
        units, values = clustered(rng, n_units)
        table = ValueCounts.from_rows(values)
        honest = clustered_quantile_estimate(table, counts_below(units, values, table.quantile(level)), level)
        naive = quantile_estimate(table, level)
        for place, (found, target) in enumerate(
            [(independent, truth), (honest, truth * spread), (naive, truth * spread)]
        ):
            held[place] += abs(found.value - target) <= 1.959964 * math.sqrt(found.variance)
    one, two, three = (held / runs).tolist()
    return one, two, three


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_cover_and_ignoring_clusters_does_not(level: float) -> None:
    runs = 400
    independent, honest, naive = coverage(runs, 400, level)
    least, most = bounds(runs)
    assert least <= independent <= most
    assert least <= honest <= most
    assert naive < 0.85


@pytest.mark.long
@pytest.mark.parametrize("level", [0.25, 0.5, 0.9, 0.99])
def test_intervals_cover_in_full(level: float) -> None:
    runs = 3000
    independent, honest, naive = coverage(runs, 2000, level)
    least, most = bounds(runs)
    assert least <= independent <= most
    assert least <= honest <= most
    assert naive < 0.9


@pytest.mark.parametrize("decimals", [0, 1])
def test_rounded_values_raise_no_false_alarms(decimals: int) -> None:
    rng = np.random.default_rng(2)
    runs = 400
    wrong = 0
    for _ in range(runs):
        arms = [ValueCounts.from_rows(np.round(rng.normal(0.5, 3.0, 500), decimals)) for _ in range(2)]
        wrong += welch(*(quantile_estimate(arm, 0.5) for arm in arms)).pvalue < 0.05
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_one_event_a_unit_is_the_independent_case() -> None:
    values = np.random.default_rng(3).normal(size=501)
    table = ValueCounts.from_rows(values)
    found = clustered_quantile_estimate(table, counts_below(np.arange(501), values, table.quantile(0.5)), 0.5)
    assert found.value == quantile_estimate(table, 0.5).value
    assert found.variance == pytest.approx(quantile_estimate(table, 0.5).variance, rel=0.05)


def test_parts_merged_are_the_whole() -> None:
    rng = np.random.default_rng(4)
    units, values = clustered(rng, 300)
    first = units < 100
    table = ValueCounts.from_rows(values[first]).merge(ValueCounts.from_rows(values[~first]))
    at = table.quantile(0.9)
    below = counts_below(units[first], values[first], at).merge(counts_below(units[~first], values[~first], at))
    whole = clustered_quantile_estimate(ValueCounts.from_rows(values), counts_below(units, values, at), 0.9)
    assert tuple(clustered_quantile_estimate(table, below, 0.9))[:3] == pytest.approx(tuple(whole)[:3])


@given(st.lists(st.integers(0, 8), min_size=40, max_size=80), st.floats(0.3, 0.7))
def test_what_holds_for_any_values(rows: list[int], level: float) -> None:
    found = quantile_estimate(ValueCounts.from_rows(rows), level)
    assert found.value == pytest.approx(float(np.quantile(rows, level)))
    scaled = quantile_estimate(ValueCounts.from_rows(np.array(rows) * 10.0 + 3), level)
    assert scaled.status == found.status
    assert scaled.value == pytest.approx(10 * found.value + 3)
    assert scaled.variance == pytest.approx(100 * found.variance, nan_ok=True, abs=1e-9)
    if found.status == "ok" and len(set(rows)) > 1:
        assert found.variance > 0


def test_a_table_of_a_billion() -> None:
    found = quantile_estimate(ValueCounts.from_table(np.arange(1000), np.full(1000, 10**6)), 0.5)
    assert (found.n, found.status) == (10**9, "ok")
    # Rounding to whole numbers is coarser than a billion values are: half a step over 1.96.
    assert math.sqrt(found.variance) <= 1.0


def test_counts_below_by_hand() -> None:
    below = counts_below(["ann", "bob", "ann", "cid"], [1.0, 2.0, 3.0, 9.0], 2.0)
    assert below.n == 3
    assert below.mean.tolist() == pytest.approx([2 / 3, 4 / 3])
    assert ratio_estimate(below).value == pytest.approx(0.5)


def test_what_has_no_interval_has_a_status() -> None:
    assert quantile_estimate(ValueCounts.empty(), 0.5).status == "no_units"
    assert clustered_quantile_estimate(ValueCounts.empty(), Moments.empty(2), 0.5).status == "no_units"
    few = quantile_estimate(ValueCounts.from_rows(range(100)), 0.99)
    assert (few.status, few.value) == ("too_few_units", pytest.approx(98.01))
    assert math.isnan(few.variance)
    same = quantile_estimate(ValueCounts.from_table([4.0], [100]), 0.5)
    assert same == (4.0, 0.0, 100, "ok")
    assert welch(same, same).status == "no_variance"
    one_unit = counts_below([7, 7, 7], [1.0, 2.0, 3.0], 2.0)
    assert clustered_quantile_estimate(ValueCounts.from_rows([1.0, 2.0, 3.0]), one_unit, 0.5).status == "too_few_units"
    huge = ValueCounts.from_rows(np.linspace(-1.0, 1.0, 50) * 1.7e308)
    assert quantile_estimate(huge, 0.5).status == "not_finite"


def test_what_is_not_allowed_is_refused() -> None:
    table = ValueCounts.from_rows([1.0, 2.0])
    with pytest.raises(ConfigError, match="level == 1, must be above 0 and below 1"):
        quantile_estimate(table, 1)
    with pytest.raises(DataError, match="below counts 3 events, the table 2"):
        clustered_quantile_estimate(table, counts_below([0, 0, 1], [1.0, 2.0, 3.0], 2.0), 0.5)
    with pytest.raises(DataError, match="both must be"):
        counts_below([0], [1.0, 2.0], 1.0)
    with pytest.raises(DataError, match="1 of 2 values are not finite"):
        counts_below([0, 1], [1.0, math.inf], 1.0)
