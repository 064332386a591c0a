"""An experiment over time: periods by hand, what is planted is found, and nothing is found where nothing is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import ConfigError
from experiments.over_time.readings import (
    UnitsByDay,
    default_period,
    effect_shift,
    new_by_day,
    novelty_reading,
    odd_metric_days,
    odd_traffic_days,
    period_readings,
    split_shift,
)

NOBODY = UnitsByDay(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 1)))


def visits(seed: int, n: int = 400, days: int = 20) -> pd.DataFrame:
    """A row per unit and day on which it came; units come later and less often as time goes on."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, days // 2, n)
    unit, day = np.divmod(np.arange(n * days), days)
    age = day - first[unit]
    came = (age == 0) | ((age > 0) & (rng.random(n * days) < 0.7 / np.sqrt(np.maximum(age, 1))))
    frame = pd.DataFrame({"unit": unit, "day": day, "age": age})[came].reset_index(drop=True)
    frame["paid"] = rng.exponential(1.0, len(frame))
    return frame


def of(frame: pd.DataFrame, *columns: str) -> UnitsByDay:
    return UnitsByDay(frame["unit"].to_numpy(), frame["day"].to_numpy(), frame[list(columns)].to_numpy(float))


def test_periods_and_so_far_agree_with_scipy() -> None:
    new, old = visits(1), visits(2)
    for period, length, since in (("day", 1, 0), ("week", 7, 3)):
        found = period_readings(of(new, "paid"), of(old, "paid"), "mean", period)  # type: ignore[arg-type]
        number = [(frame["day"] + since) // length for frame in (new, old)]
        assert [one.period for one in found] == sorted(set(number[0]) | set(number[1]))
        for one in found:
            for compared, chosen in (
                (one.alone, [part == one.period for part in number]),
                (one.so_far, [part <= one.period for part in number]),
            ):
                arms = [
                    frame[rows].groupby("unit")["paid"].sum() for frame, rows in zip((new, old), chosen, strict=True)
                ]
                assert compared.effect_size == pytest.approx(arms[0].mean() - arms[1].mean())
                assert compared.pvalue == pytest.approx(stats.ttest_ind(*arms, equal_var=False).pvalue)


def test_a_success_counts_in_each_period_and_once_so_far() -> None:
    arm = UnitsByDay(np.array([2, 1, 1, 1, 3]), np.array([0, 0, 1, 8, 8]), np.array([[0.0], [1], [1], [1], [0]]))
    days = period_readings(arm, arm, "proportion", "day")
    assert [one.alone.control_value for one in days] == [0.5, 1.0, 0.5]
    assert [one.so_far.control_value for one in days] == pytest.approx([1 / 2, 1 / 2, 1 / 3])
    weeks = period_readings(arm, arm, "proportion", "week")
    assert [(one.alone.control_value, one.alone.control_n) for one in weeks] == [(0.5, 2), (0.5, 2)]


def test_ratios_are_of_sums_and_the_way_of_comparing_is_the_caller_s() -> None:
    frame = visits(3).assign(rows=2.0)
    seen: list[int] = []

    def compare(one, two):  # type: ignore[no-untyped-def]
        seen.append(one.n)
        return period_readings(of(frame, "paid"), of(frame, "paid"), "mean", "month")[0].alone

    found = period_readings(of(frame, "paid", "rows"), of(frame, "paid", "rows"), "ratio", "month", compare=compare)
    assert found[0].alone.control_value == pytest.approx(frame["paid"].mean() / 2)
    assert seen == [frame["unit"].nunique()]


def test_an_arm_without_events_keeps_what_it_had() -> None:
    one = UnitsByDay(np.array([1, 2]), np.array([0, 0]), np.array([[1.0], [3.0]]))
    two = UnitsByDay(np.array([3, 4, 3]), np.array([0, 0, 1]), np.array([[1.0], [2.0], [5.0]]))
    last = period_readings(one, two, "mean", "day")[-1]
    assert (last.alone.status, last.alone.treatment_n, last.so_far.status) == ("too_few_units", 0, "ok")
    assert (last.so_far.treatment_value, last.so_far.control_value) == (2.0, 4.0)
    assert period_readings(NOBODY, NOBODY, "mean", "day") == ()
    assert period_readings(one, NOBODY, "mean", "day")[0].so_far.status == "no_units"


@pytest.mark.parametrize(("lift", "trend"), [("fading", "fades"), ("growing", "grows")])
def test_an_effect_that_wears_off_is_told_from_one_that_grows(lift: str, trend: str) -> None:
    new, old = visits(4, n=4_000), visits(5, n=4_000)
    age = new["age"].to_numpy()
    new["paid"] *= 1 + (1.0 / (1 + age) if lift == "fading" else 0.1 + 0.08 * age)
    found = novelty_reading(of(new, "paid"), of(old, "paid"), "mean")
    assert (found.found.trend, found.scale) == (trend, "relative")
    assert found.units > 1_000
    # Ages 0 … 9 of the 20 days.
    assert found.found.n_days == 10


def test_a_steady_effect_does_not_wear_off_because_people_come_less() -> None:
    runs, wrong = 200, 0
    for seed in range(runs):
        new, old = visits(2 * seed, n=300), visits(2 * seed + 1, n=300)
        new["paid"] *= 1.5
        wrong += novelty_reading(of(new, "paid"), of(old, "paid"), "mean").found.trend in ("fades", "grows")
    assert wrong / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_novelty_without_days_is_told() -> None:
    one_row = UnitsByDay(np.arange(9), np.zeros(9, np.int64), np.arange(9.0)[:, np.newaxis])
    for arms in ((one_row, one_row), (NOBODY, NOBODY), (one_row, NOBODY)):
        found = novelty_reading(*arms, "mean")
        assert (found.found.status, found.found.trend) == ("too_few_days", "unknown")
    flat = visits(6).assign(paid=0.0)
    assert novelty_reading(of(flat, "paid"), of(flat, "paid"), "mean").found.status == "too_few_days"


def test_a_lasting_shift_of_the_effect_is_found_and_dated() -> None:
    new, old = visits(7, n=3_000, days=30), visits(8, n=3_000, days=30)
    new.loc[new["day"] >= 18, "paid"] *= 0.4
    shift = effect_shift(of(new, "paid"), of(old, "paid"), "mean")
    assert shift.chart.side == "fall"
    assert abs(shift.days[shift.chart.change] - 18) <= 2
    # What happens to both arms is no shift of what they differ by.
    old.loc[old["day"] >= 18, "paid"] *= 0.4
    new["paid"] += 0.5
    assert effect_shift(of(new, "paid"), of(old, "paid"), "mean").chart.side == "none"


def test_a_split_that_breaks_is_found_and_dated() -> None:
    rng = np.random.default_rng(9)
    everybody = dict.fromkeys(range(20), 500)
    sound = {day: int(rng.binomial(500, 0.5)) for day in everybody}
    assert split_shift(sound, everybody, 0.5, charts=4).chart.side == "none"
    broken = {day: int(rng.binomial(500, 0.5 if day < 12 else 0.42)) for day in everybody}
    shift = split_shift(broken, everybody, 0.5, charts=4)
    assert (shift.chart.side, int(shift.days[shift.chart.change]), shift.run_length) == ("fall", 12, 20 * 4 / 0.05)


def test_shifts_where_there_is_none_are_as_seldom_as_stated() -> None:
    rng = np.random.default_rng(10)
    runs, days, charts = 400, 30, 3
    everybody = dict.fromkeys(range(days), 200)
    wrong = 0
    for _ in range(runs):
        drawn = rng.binomial(200, 0.5, (charts, days))
        wrong += any(
            split_shift(dict(enumerate(one.tolist())), everybody, 0.5, charts=charts).chart.alarm >= 0 for one in drawn
        )
    assert wrong / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_effects_without_a_shift_seldom_alarm() -> None:
    rng = np.random.default_rng(13)
    runs, days, units = 300, 20, 40
    place = np.arange(days * units)
    wrong = 0
    for _ in range(runs):
        arms = [UnitsByDay(place, place // units, rng.exponential(1.0, (days * units, 1))) for _ in range(2)]
        wrong += effect_shift(*arms, "mean").chart.alarm >= 0
    assert wrong / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_few_new_units_and_no_days_are_told() -> None:
    assert split_shift({0: 3}, {0: 9}, 0.5).chart.status == "no_values"
    assert effect_shift(NOBODY, NOBODY, "mean").chart.status == "no_values"
    flat = visits(11).assign(paid=1.0)
    one_day = flat[flat["day"] == 3].assign(paid=lambda frame: frame["unit"] % 2)
    assert effect_shift(of(one_day, "paid"), of(one_day, "paid"), "mean").chart.status == "no_values"
    assert effect_shift(of(flat, "paid"), of(flat, "paid"), "proportion").chart.status == "no_values"
    with pytest.raises(ConfigError, match="share == 1, must be above 0 and below 1"):
        split_shift({}, {}, 1)


def test_odd_days_leave_thin_ones_out() -> None:
    frame = visits(12, n=2_000)
    frame.loc[frame["day"] == 9, "paid"] *= 3
    frame = frame[(frame["day"] != 0) | (frame["unit"] % 20 == 0)]
    frame.loc[frame["day"] == 0, "paid"] *= 9
    assert [flag.day for flag in odd_metric_days(of(frame, "paid"), "mean").flags] == [9]
    assert odd_metric_days(NOBODY, "mean").status == "too_few_days"
    assert odd_traffic_days(np.repeat(np.arange(9), [90, 95, 88, 91, 93, 90, 12, 94, 92])).flags[0].day == 6
    assert odd_traffic_days(np.zeros(0, np.int64)).status == "too_few_days"


def test_units_are_new_once_and_periods_are_chosen_by_how_long_it_ran() -> None:
    assert new_by_day(np.array([5, 5, 6, 7]), np.array([4, 2, 2, 3])) == {2: 2, 3: 1}
    assert new_by_day(np.zeros(0, np.int64), np.zeros(0, np.int64)) == {}
    assert default_period(np.zeros(0, np.int64)) == "day"


def test_quantiles_are_refused() -> None:
    for call in (
        lambda: period_readings(NOBODY, NOBODY, "quantile", "day"),
        lambda: novelty_reading(NOBODY, NOBODY, "quantile"),
        lambda: effect_shift(NOBODY, NOBODY, "quantile"),
        lambda: odd_metric_days(NOBODY, "quantile"),
    ):
        with pytest.raises(ConfigError, match="a quantile is not read over time"):
            call()
