"""From units a day to days."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.planning.baselines import mean_baseline, proportion_baseline
from experiments.planning.duration import days_needed, mde_by_week, units_seen
from experiments.planning.power import minimum_detectable_effect, sample_size
from experiments.planning.power_plan import PowerPlan


def test_units_seen_against_simulation() -> None:
    rng = np.random.default_rng(19)
    visited = rng.random((10, 20_000)) < 0.1
    seen = np.logical_or.accumulate(visited, axis=0).sum(axis=1)
    np.testing.assert_allclose(units_seen(2000, 10, population=20_000), seen, atol=4 * math.sqrt(5000))


@given(st.floats(1, 1000), st.integers(0, 60), st.floats(1, 1e9))
def test_units_seen_grow_ever_more_slowly_up_to_the_population(rate: float, days: int, more: float) -> None:
    population = rate * more
    seen = units_seen(rate, days, population=population)
    new = np.diff(seen, prepend=0.0)
    assert len(seen) == days
    assert (seen <= population * (1 + 1e-9)).all()
    assert (np.diff(new) <= 1e-9 * population).all()
    assert (seen <= units_seen(rate, days) * (1 + 1e-9)).all()


def test_everybody_every_day() -> None:
    assert units_seen(100, 3, population=100).tolist() == [100.0, 100.0, 100.0]
    assert units_seen(0, 2, population=100).tolist() == [0.0, 0.0]


@given(st.floats(1, 1e6), st.lists(st.floats(0, 1e5), max_size=40))
def test_days_needed_is_the_first_day_with_enough(n_units: float, new: list[float]) -> None:
    days = days_needed(n_units, new)
    if math.isinf(days):
        assert sum(new) < n_units * (1 + 1e-9)
    else:
        assert sum(new[: int(days)]) >= n_units * (1 - 1e-9)
        assert sum(new[: int(days) - 1]) < n_units * (1 + 1e-9)


def test_days_by_hand() -> None:
    assert days_needed(1000, 100) == 10
    assert days_needed(1001, 100) == 11
    assert days_needed(0.3, [0.1, 0.1, 0.1]) == 3, "sums that fall a rounding error short count as reached"
    assert days_needed(0, 0) == 0
    assert days_needed(1, 0) == math.inf
    assert days_needed(1, []) == math.inf
    assert days_needed(math.inf, 10) == math.inf
    assert math.isnan(days_needed(math.nan, 10))
    planned = sample_size(proportion_baseline(0.1), 0.01)
    returning = np.diff(units_seen(5000, 60, population=40_000), prepend=0.0).tolist()
    assert days_needed(planned.n_control + planned.n_treatment, 5000) == 6
    assert days_needed(planned.n_control + planned.n_treatment, returning) == 11


def test_mde_by_week() -> None:
    plan = PowerPlan(allocation=0.5)
    weeks = mde_by_week(mean_baseline(10.0, 3.0), 300, 4, plan)
    assert [week.week for week in weeks] == [1, 2, 3, 4]
    assert [week.n_control + week.n_treatment for week in weeks] == pytest.approx([2100, 4200, 6300, 8400])
    assert weeks[1].mde == minimum_detectable_effect(mean_baseline(10.0, 3.0), 2800, plan).mde
    assert weeks[3].mde < weeks[2].mde < weeks[1].mde < weeks[0].mde
    by_day = mde_by_week(mean_baseline(10.0, 3.0), [300.0] * 13, 4, plan)
    assert by_day == weeks[:1], "weeks that the days given do not fill are left out"
    assert mde_by_week(mean_baseline(10.0, 3.0), 0, 1)[0].status == "no_units"
    assert mde_by_week(mean_baseline(10.0, 0.0), 300, 1)[0].status == "no_variance"
    assert mde_by_week(mean_baseline(10.0, 3.0), 300, 0) == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: units_seen(-1, 3), "daily_visitors == -1"),
        (lambda: units_seen(10, -3), "days == -3"),
        (lambda: units_seen(10, 3, population=5), "population == 5"),
        (lambda: days_needed(-1, 3), "n_units == -1"),
        (lambda: days_needed(1, -3), "daily_new_units == -3"),
        (lambda: days_needed(1, [1.0, math.nan]), "daily_new_units"),
        (lambda: mde_by_week(mean_baseline(1.0, 1.0), -1, 3), "daily_new_units"),
        (lambda: mde_by_week(mean_baseline(1.0, 1.0), 1, -3), "weeks == -3"),
    ],
)
def test_what_is_not_allowed_is_refused(call: object, named: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError, match=named):
        call()
