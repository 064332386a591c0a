"""CUSUM charts and their run lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.over_time.cusum import average_run_length, cusum, decision_interval, siegmund_run_length

series = st.lists(st.floats(-5, 5), min_size=1, max_size=60)

# Montgomery 2013, Introduction to Statistical Quality Control, table 9.3, k = 1/2, two-sided: shift, h = 4, h = 5.
PUBLISHED = [
    (0, 168, 465),
    (0.25, 74.2, 139),
    (0.5, 26.6, 38.0),
    (0.75, 13.3, 17.0),
    (1.0, 8.38, 10.4),
    (1.5, 4.75, 5.75),
    (2.0, 3.34, 4.01),
    (2.5, 2.62, 3.11),
    (3.0, 2.19, 2.57),
    (4.0, 1.71, 2.01),
]
# Table 9.4 of the same book, after Hawkins: k and the h whose two-sided run length in peace is 370.
PUBLISHED_H = [(0.25, 8.01), (0.5, 4.77), (0.75, 3.34), (1.0, 2.52), (1.25, 1.99), (1.5, 1.61)]


@pytest.mark.parametrize(("shift", "four", "five"), PUBLISHED)
def test_published_run_lengths(shift: float, four: float, five: float) -> None:
    # Half a unit of the last digit printed: three digits, 2.195 printed as 2.19.
    assert average_run_length(h=4, shift=shift) == pytest.approx(four, rel=0.005)
    assert average_run_length(h=5, shift=shift) == pytest.approx(five, rel=0.005)
    assert average_run_length(h=5, shift=-shift) == pytest.approx(average_run_length(h=5, shift=shift))


def test_one_side_alarms_half_as_often() -> None:
    assert average_run_length(h=4, two_sided=False) == pytest.approx(335.37, rel=2e-4)
    assert average_run_length(h=5, two_sided=False) == pytest.approx(930.89, rel=2e-4)


@pytest.mark.parametrize(("k", "h"), PUBLISHED_H)
def test_published_decision_intervals(k: float, h: float) -> None:
    assert decision_interval(370, k=k) == pytest.approx(h, abs=0.0101)


@pytest.mark.parametrize(
    ("run_length", "k", "two_sided"), [(10, 0.1, True), (370, 0.25, False), (5000, 1.0, True), (1e6, 0.5, False)]
)
def test_decision_interval_is_the_inverse_of_the_run_length(run_length: float, k: float, two_sided: bool) -> None:
    h = decision_interval(run_length, k=k, two_sided=two_sided)
    assert average_run_length(k=k, h=h, two_sided=two_sided) == pytest.approx(run_length, rel=1e-6)


@pytest.mark.parametrize("h", [4.0, 5.0, 8.0])
@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_siegmund_is_near_brook_and_evans(h: float, shift: float) -> None:
    for two_sided in (True, False):
        exact = average_run_length(h=h, shift=shift, two_sided=two_sided)
        assert siegmund_run_length(h=h, shift=shift, two_sided=two_sided) == pytest.approx(exact, rel=0.04)


def test_siegmund_hand_computed() -> None:
    # b = 6.166, Δ = -1/2: (e^6.166 - 6.166 - 1) / (1/2).
    assert siegmund_run_length(two_sided=False) == pytest.approx(2 * (math.exp(6.166) - 7.166))
    assert siegmund_run_length(shift=0.5, two_sided=False) == pytest.approx(6.166**2)


def test_a_high_allowance_is_a_chart_of_single_values() -> None:
    """With h next to nothing the chart alarms at the first z > k: geometric run length."""
    assert average_run_length(k=3, h=1e-6, two_sided=False) == pytest.approx(1 / 0.0013498980, rel=1e-4)


def test_run_lengths_out_of_reach_are_infinite() -> None:
    assert average_run_length(k=2, h=10) == math.inf
    assert average_run_length(k=2, h=100, shift=-5, two_sided=False) == math.inf
    assert siegmund_run_length(k=10, h=100) == math.inf


@given(series, st.floats(0, 2), st.floats(0.1, 6))
def test_chart_against_a_plain_loop(z: list[float], k: float, h: float) -> None:
    high = low = 0.0
    upper, lower = [], []
    for value in z:
        high, low = max(0.0, high + value - k), max(0.0, low - value - k)
        upper.append(high)
        lower.append(low)
    chart = cusum(z, k=k, h=h)
    assert chart.upper == pytest.approx(upper, abs=1e-9)
    assert chart.lower == pytest.approx(lower, abs=1e-9)
    exceeds = (chart.upper > h) | (chart.lower > h)
    assert chart.alarm == (int(exceeds.argmax()) if exceeds.any() else -1)
    assert (chart.side == "none") == (chart.alarm == -1) == (chart.change == -1)
    assert chart.change <= chart.alarm
    if chart.alarm >= 0:
        side = chart.upper if chart.side == "rise" else chart.lower
        assert (side[chart.change : chart.alarm + 1] > 0).all()
        assert chart.change == 0 or side[chart.change - 1] == 0


@given(series)
def test_falls_are_rises_turned_over(z: list[float]) -> None:
    one, other = cusum(z), cusum([-value for value in z])
    assert one.upper.tolist() == other.lower.tolist()
    assert one.alarm == other.alarm
    assert {"rise": "fall", "fall": "rise", "none": "none"}[one.side] == other.side


def test_one_sided_does_not_alarm_at_a_fall() -> None:
    assert cusum([-3.0] * 5, two_sided=False).alarm == -1
    assert cusum([-3.0] * 5).side == "fall"


def simulated_run_length(rng: np.random.Generator, shift: float, n_runs: int, length: int) -> float:
    return float(np.mean([cusum(rng.normal(shift, 1, length), h=4).alarm + 1 for _ in range(n_runs)]))


@pytest.mark.parametrize("n_runs", [2000, pytest.param(40_000, marks=pytest.mark.long)])
def test_simulated_charts_run_as_long_as_computed(n_runs: int) -> None:
    rng = np.random.default_rng(1)
    # In peace a run length is all but geometric: its standard deviation is its mean.
    assert simulated_run_length(rng, 0.0, n_runs, 2500) == pytest.approx(167.7, abs=3 * 168 / math.sqrt(n_runs))
    assert simulated_run_length(rng, 1.0, n_runs, 200) == pytest.approx(8.38, abs=3 * 5 / math.sqrt(n_runs))


def test_a_planted_shift_is_found_and_dated() -> None:
    rng = np.random.default_rng(2)
    charts = [cusum(np.concatenate([rng.normal(0, 1, 30), rng.normal(1.5, 1, 30)]), h=5) for _ in range(200)]
    after = [chart for chart in charts if chart.alarm >= 30]
    assert len(after) > 180
    assert all(chart.side == "rise" for chart in after)
    assert abs(float(np.median([chart.change for chart in after])) - 30) <= 1


@pytest.mark.parametrize(
    ("z", "status"), [([], "no_values"), ([0.0, math.nan], "not_finite"), ([math.inf], "not_finite")]
)
def test_series_that_cannot_be_charted(z: list[float], status: str) -> None:
    chart = cusum(z)
    assert (chart.status, chart.alarm) == (status, -1)
    assert np.isnan(chart.upper).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -0.1}, "k == -0.1, must be >= 0"),
        ({"k": math.nan}, "k == nan"),
        ({"h": 0}, "h == 0, must be above 0"),
        ({"h": 101}, "h == 101, must be at most 100"),
        ({"shift": math.inf}, "shift == inf"),
    ],
)
def test_designs_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    for run_length in (average_run_length, siegmund_run_length):
        with pytest.raises(ConfigError, match=message):
            run_length(**options)
    if options.keys() <= {"k", "h"} and options.get("h") != 101:
        with pytest.raises(ConfigError, match=message):
            cusum([0.0], **options)


@pytest.mark.parametrize(
    ("run_length", "k", "message"),
    [(5, 0.5, "run_length == 5"), (1e7, 0.5, "run_length"), (370, 0.0, "k == 0.0"), (10, 2.0, "k == 2.0 alone alarms")],
)
def test_intervals_that_do_not_exist(run_length: float, k: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decision_interval(run_length, k=k)


def test_a_table_is_no_series() -> None:
    with pytest.raises(DataError, match="shape"):
        cusum([[0.0]])
