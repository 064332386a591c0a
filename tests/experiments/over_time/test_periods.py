"""Days, weeks and months; effects in each and until each."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.estimates import ratio_estimate
from experiments.inference.moments import Moments
from experiments.over_time.periods import (
    PERIODS,
    Period,
    compare_periods,
    cumulative_moments,
    period_moments,
    period_numbers,
    period_starts,
)

moments_in_time = st.integers(-62_135_500_000, 253_402_200_000)
offsets = st.integers(-720, 840)


@given(moments_in_time, offsets)
def test_parity_with_the_calendar(moment: int, offset: int) -> None:
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)
    local = local.astimezone(timezone(timedelta(minutes=offset)))
    (day,) = period_numbers([moment], "day", offset_minutes=offset).tolist()
    (week,) = period_numbers([moment], "week", offset_minutes=offset).tolist()
    (month,) = period_numbers([moment], "month", offset_minutes=offset).tolist()
    assert day == local.toordinal() - 719_163
    assert month == (local.year - 1970) * 12 + local.month - 1
    # The ISO week begins on a Monday; that of 1 January 1970 is number 0.
    assert week == (local.toordinal() - local.weekday() - (719_163 - 3)) // 7


@given(moments_in_time, offsets, st.sampled_from(PERIODS))
def test_a_period_holds_its_start_and_not_the_second_before(moment: int, offset: int, period: Period) -> None:
    number = period_numbers([moment], period, offset_minutes=offset)
    (start,) = period_starts(number, period, offset_minutes=offset).tolist()
    (end,) = period_starts(number + 1, period, offset_minutes=offset).tolist()
    assert start <= moment < end
    around = period_numbers([start - 1, start, end - 1, end], period, offset_minutes=offset) - number
    assert around.tolist() == [-1, 0, 0, 1]


def test_no_moments_give_no_periods() -> None:
    assert period_numbers([], "week").shape == (0,)
    assert period_moments([], [], []) == cumulative_moments([], [], []) == {}
    assert compare_periods({}, {}) == ()


@pytest.mark.parametrize(("period", "offset"), [("year", 0), ("day", 841), ("day", -721), ("day", 0.5)])
def test_other_periods_and_offsets_are_refused(period: str, offset: float) -> None:
    with pytest.raises(ConfigError, match=r"period ==|offset_minutes =="):
        period_numbers([0], period, offset_minutes=offset)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"period ==|offset_minutes =="):
        period_starts([0], period, offset_minutes=offset)  # type: ignore[arg-type]


def test_fractions_of_seconds_are_refused() -> None:
    with pytest.raises(DataError, match="whole seconds"):
        period_numbers([0.5], "day")


events = st.lists(st.tuples(st.integers(0, 4), st.integers(-2, 3), st.integers(-9, 9)), min_size=1, max_size=40)


@given(events)
def test_units_count_once_with_their_sums(log: list[tuple[int, int, int]]) -> None:
    """Against a plain loop over periods and units."""
    units, periods, rewards = (list(column) for column in zip(*log, strict=True))
    alone = period_moments(units, periods, np.array(rewards, float))
    until = cumulative_moments(units, periods, np.array(rewards, float))
    assert list(alone) == list(until) == sorted(set(periods))
    for found, keeps in ((alone, int.__eq__), (until, int.__le__)):
        for period in sorted(set(periods)):
            sums: dict[int, int] = {}
            for unit, when, reward in log:
                if keeps(when, period):
                    sums[unit] = sums.get(unit, 0) + reward
            expected = Moments.from_rows([float(total) for total in sums.values()])
            assert found[period].n == expected.n
            assert found[period].mean == pytest.approx(expected.mean)
            assert found[period].cross == pytest.approx(expected.cross, abs=1e-6)


def test_the_last_cumulative_period_is_the_whole() -> None:
    rng = np.random.default_rng(1)
    units, periods, rows = rng.integers(0, 300, 5000), rng.integers(0, 14, 5000), rng.normal(0, 1, (5000, 2))
    last = cumulative_moments(units, periods, rows)[13]
    totals = np.stack([np.bincount(units, column) for column in rows.T], axis=1)
    assert last.n == 300
    assert last.covariance == pytest.approx(np.cov(totals.T))


def test_planted_effect_on_one_day_and_parity_with_scipy() -> None:
    rng = np.random.default_rng(2)
    n_days, n = 7, 400
    days, units = np.repeat(np.arange(n_days), n), np.arange(n_days * n)
    one, two = rng.normal(0, 1, n_days * n) + 0.6 * (days == 3), rng.normal(0, 1, n_days * n)
    found = compare_periods(period_moments(units, days, one), period_moments(units, days, two))
    assert [part.period for part in found] == list(range(7))
    assert [part.period for part in found if part.comparison.pvalue < 0.001] == [3]
    for day, comparison in found:
        expected = stats.ttest_ind(one[days == day], two[days == day], equal_var=False)
        assert comparison.pvalue == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("n_runs", [400, pytest.param(5000, marks=pytest.mark.long)])
def test_false_alarms_where_units_come_back(n_runs: int) -> None:
    """Units with effects of their own return every day: cumulative sums count each once and keep the level.

    Merging the days' moments, as if each day brought new units, is the negative control.
    """
    rng = np.random.default_rng(3)
    n, n_days = 80, 10
    units, days = np.tile(np.arange(n), n_days), np.repeat(np.arange(n_days), n)
    found, merged = 0, 0
    for _ in range(n_runs):
        arms = [np.tile(rng.normal(0, 1, n), n_days) + rng.normal(0, 1, n * n_days) for _ in range(2)]
        until = [cumulative_moments(units, days, rewards)[n_days - 1] for rewards in arms]
        found += compare_periods({0: until[0]}, {0: until[1]})[0].comparison.pvalue < 0.05
        pooled = []
        for rewards in arms:
            first, *others = period_moments(units, days, rewards).values()
            for other in others:
                first = first.merge(other)
            pooled.append(first)
        merged += compare_periods({0: pooled[0]}, {0: pooled[1]})[0].comparison.pvalue < 0.05
    assert found / n_runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    assert merged / n_runs > 0.2


def test_ratios_and_missing_periods() -> None:
    arm = {0: Moments.from_rows([[1.0, 2.0], [1.0, 4.0], [3.0, 6.0]])}
    other = {0: arm[0], 1: arm[0]}
    first, second = compare_periods(arm, other, estimate=ratio_estimate)
    assert first.comparison.control_value == pytest.approx(5 / 12)
    assert (first.comparison.status, second.comparison.status) == ("ok", "no_units")


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="units has shape"):
        period_moments([1, 2], [0], [1.0, 2.0])
    with pytest.raises(DataError, match="not finite"):
        cumulative_moments([1, 2], [0, 0], [1.0, math.nan])
