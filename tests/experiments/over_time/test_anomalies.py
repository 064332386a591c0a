"""Days that do not look like the others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.over_time.anomalies import metric_outliers, traffic_drops

WEEKEND = np.where(np.arange(56) % 7 > 4, 3.0, 0.0)
values = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=7, max_size=40)


@given(values)
def test_score_against_a_plain_loop(series: list[float]) -> None:
    n = len(series)
    by_weekday = n >= 28
    expected = [
        float(np.median([series[j] for j in range(n) if j != i and (not by_weekday or j % 7 == i % 7)]))
        for i in range(n)
    ]
    apart = np.array(series) - expected
    distance = np.abs(apart - np.median(apart))
    spread = 1.482602218505602 * np.median(distance) or 1.2533141373155001 * distance.mean()
    found = metric_outliers(range(n), series, threshold=2)
    assert found.baseline == ("weekday" if by_weekday else "all_days")
    if spread == 0:
        assert (found.flags, found.status) == ((), "no_variance")
        return
    scores = {flag.day: flag.score for flag in found.flags}
    for day, score in enumerate(apart / spread):
        if abs(abs(score) - 2) > 1e-9:
            assert (day in scores) == (abs(score) > 2)
    for flag in found.flags:
        assert flag.score == pytest.approx(apart[flag.day] / spread)
        assert flag.expected == pytest.approx(expected[flag.day])
        assert flag.reason == ("high" if flag.score > 0 else "low")


@given(values, st.floats(0.01, 100), st.floats(-100, 100))
def test_scale_level_and_order_do_not_matter(series: list[float], scale: float, level: float) -> None:
    days = np.arange(len(series))
    moved = np.array(series) * -scale + level
    order = np.random.default_rng(len(series)).permutation(len(series))
    # A threshold that no ratio of rounded numbers meets exactly.
    one = metric_outliers(days, series, threshold=math.pi)
    other = metric_outliers(days[order], moved[order], threshold=math.pi)
    if one.status == "ok":
        assert [flag.day for flag in other.flags] == [flag.day for flag in one.flags]
        turned = {"high": "low", "low": "high"}
        assert [flag.reason for flag in other.flags] == [turned[flag.reason] for flag in one.flags]


def test_planted_outliers_are_found_in_spite_of_weekends() -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(50):
        series = rng.normal(10, 1, 56) + 4 * WEEKEND
        # A weekday that looks like a weekend, and a weekend like a weekday.
        series[[16, 40]] += [12, -12]
        flags = {flag.day: flag.reason for flag in metric_outliers(np.arange(56), series).flags}
        found += flags.get(16) == "high" and flags.get(40) == "low"
    assert found >= 48


@pytest.mark.parametrize("n_runs", [500, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("n_days", [8, 14, 28, 56])
def test_false_alarms_of_quiet_series(n_days: int, n_runs: int) -> None:
    rng = np.random.default_rng(2)
    weekend = WEEKEND[:n_days] if n_days >= 28 else 0.0
    alarms = [bool(metric_outliers(np.arange(n_days), rng.normal(size=n_days) + weekend).flags) for _ in range(n_runs)]
    assert np.mean(alarms) <= 0.04 + 3 * math.sqrt(0.04 * 0.96 / n_runs)


def test_a_constant_series_with_one_other_day() -> None:
    flat = [3.0] * 10
    assert metric_outliers(range(10), flat).status == "no_variance"
    (flag,) = metric_outliers(range(10), [*flat[:9], 4.0]).flags
    assert (flag.day, flag.reason) == (9, "high")


def test_unknown_days_do_not_count() -> None:
    found = metric_outliers(range(10), [5, 6, 5, math.nan, 6, 5, 60, math.inf, 7, 5])
    assert [flag.day for flag in found.flags] == [6]
    assert metric_outliers(range(8), [1.0] + [math.nan] * 7).status == "too_few_days"
    assert metric_outliers([], []).status == "too_few_days"


def test_a_planted_drop_is_found_and_a_weekend_is_none() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        counts = rng.poisson(1000 * np.where(WEEKEND > 0, 0.6, 1.0))
        counts[30] = 300
        (flag,) = traffic_drops(np.arange(56), counts).flags
        assert (flag.day, flag.value, flag.reason) == (30, 300.0, "traffic_drop")
        assert flag.score == pytest.approx(1 - 300 / flag.expected)
        assert flag.expected == float(np.median(counts[23:30]))


def test_small_counts_fall_by_half_by_chance() -> None:
    """Around five a day, half of it is nothing unusual; around fifty, it is."""
    rng = np.random.default_rng(4)
    n_runs = 300
    quiet = [bool(traffic_drops(np.arange(56), rng.poisson(5, 56), drop=0.5).flags) for _ in range(n_runs)]
    # 53 days at 1e-4 each, and a little for a median that is itself uncertain.
    assert np.mean(quiet) <= 0.04
    assert [flag.day for flag in traffic_drops(range(10), [50, 52, 49, 50, 51, 50, 48, 50, 20, 50]).flags] == [8]


def test_missing_days_are_days_of_no_traffic() -> None:
    found = traffic_drops([0, 2, 3, 4, 5, 8], [9, 9, 9, 9, 9, 9])
    assert [(flag.day, flag.value, flag.reason) for flag in found.flags] == [
        (1, 0.0, "missing_day"),
        (6, 0.0, "missing_day"),
        (7, 0.0, "missing_day"),
    ]
    assert math.isnan(found.flags[0].score)
    assert found.flags[1].score == 1.0
    assert traffic_drops(range(5), [0] * 5).flags == ()
    assert traffic_drops([0, 1, 2], [5, 5, 0]).status == "too_few_days"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"drop": 0}, "drop == 0"), ({"drop": 1}, "drop"), ({"window": 2}, "window == 2"), ({"alpha": 0}, "alpha == 0")],
)
def test_options_of_traffic_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        traffic_drops(range(5), [1] * 5, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [0, -1, math.nan, math.inf])
def test_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        metric_outliers(range(8), range(8), threshold=threshold)


@pytest.mark.parametrize(
    ("days", "counts", "message"),
    [
        ([0, 0, 1, 2], [1, 1, 1, 1], "day 0 comes twice"),
        ([0, 1, 2], [1, 1], "shape"),
        ([0.5, 1.5], [1, 1], "whole numbers"),
        ([0, 1, 2, 3], [1, -1, 1, 1], "counts must be"),
        ([0, 1, 2, 3], [1, math.nan, 1, 1], "counts must be"),
        ([0, 86_400, 172_800, 10**9], [1, 1, 1, 1], "give days, not seconds"),
    ],
)
def test_series_that_are_none(days: list[float], counts: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        traffic_drops(days, counts)
