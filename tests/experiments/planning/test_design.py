"""Designs by method: sizes against the reference, powers that hold in simulation, days, and what cannot be planned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError
from experiments.looks.confidence_sequences import critical_values
from experiments.planning.baselines import mean_baseline, proportion_baseline
from experiments.planning.design import DESIGN_METHODS, DesignMethod, design
from experiments.planning.power_plan import PowerPlan

RELATIVE = PowerPlan(relative=True)


def test_a_fixed_design_is_the_textbook_s() -> None:
    found = design(proportion_baseline(0.1), 0.1, RELATIVE, daily_new_units=2000)
    # statsmodels: 14744.10 per arm.
    assert (found.n_control, found.n_treatment, found.total, found.days) == (14745, 14745, 29490, 15)
    assert found.rel_mde == pytest.approx(0.1)
    assert [week.week for week in found.weeks] == list(range(1, 9))
    detectable = [week.mde for week in found.weeks]
    assert detectable == sorted(detectable, reverse=True)
    # After two weeks 28,000 units have come, a little less than the design needs.
    assert found.weeks[1].rel_mde == pytest.approx(0.1, rel=0.04)
    assert found.weeks[1].rel_mde > 0.1


@pytest.mark.parametrize("method", DESIGN_METHODS)
def test_the_curve_goes_through_the_plan(method: DesignMethod) -> None:
    found = design(mean_baseline(10.0, 3.0), 0.5, method=method, looks=4)
    sizes, powers = np.array(found.curve).T
    assert (np.diff(powers) > 0).all()
    assert np.interp(found.n_control, sizes, powers) == pytest.approx(0.8, abs=0.01)
    assert found.expected_total <= found.total + 1
    assert math.isnan(found.days)
    assert found.weeks == ()


def test_looking_more_often_costs_more() -> None:
    fixed, group, sequence = (
        design(mean_baseline(10.0, 3.0), 0.5, method=method, looks=5).total
        for method in ("fixed", "group", "sequential")
    )
    assert fixed < group < sequence
    # But pays on average: the effect is real and some look shows it.
    found = design(mean_baseline(10.0, 3.0), 0.5, method="group", looks=5)
    assert found.expected_total < fixed


def test_a_sequential_design_has_its_power_in_simulation() -> None:
    looks, runs, effect = 10, 20_000, 0.5
    found = design(mean_baseline(0.0, 3.0), effect, method="sequential", looks=looks)
    n = np.ceil(found.n_control * np.arange(1, looks + 1) / looks)
    rng = np.random.default_rng(0)
    steps = np.diff(np.concatenate([[0.0], n]))
    # Sums of the difference of two arms, look by look.
    sums = np.cumsum(rng.normal(effect * steps, np.sqrt(2 * 9.0 * steps), (runs, looks)), axis=1)
    z = sums / np.sqrt(2 * 9.0 * n)
    shown = (np.abs(z) > critical_values(2 * n, n_star=2 * found.n_control)).any(axis=1).mean()
    assert shown == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize(("allocation", "n_control"), [(1.0, 100), (0.5, 200)])
def test_a_sequence_is_not_planned_to_end_before_it_may_be_read(allocation: float, n_control: int) -> None:
    # One look at the end would need 13 units an arm; the sequence is silent before each arm has 100.
    plan = PowerPlan(allocation=allocation)
    found = design(proportion_baseline(0.5), 0.45, plan, method="sequential")
    assert (found.n_control, found.n_star) == (n_control, n_control * (1 + allocation))
    assert found.expected_total <= found.total
    assert [point.power for point in found.curve if point.n_control < n_control] == [0.0] * 19
    assert math.isnan(design(proportion_baseline(0.5), 0.45, method="group", looks=3).n_star)


def test_several_treatments_share_alpha_and_days() -> None:
    one = design(proportion_baseline(0.1), 0.02, daily_new_units=1000)
    three = design(proportion_baseline(0.1), 0.02, treatments=3, daily_new_units=1000)
    assert three.plan.comparisons == 3
    assert three.n_control > one.n_control
    assert three.total == 4 * three.n_control
    assert three.days > 2 * one.days
    never = design(proportion_baseline(0.1), 0.02, daily_new_units=[500.0, 100.0, 0.0])
    assert never.days == math.inf


def test_what_cannot_be_planned_is_typed_or_refused() -> None:
    flat = design(mean_baseline(1.0, 0.0), 0.1)
    assert (flat.status, flat.curve) == ("no_variance", ())
    assert math.isnan(flat.total)
    below = design(mean_baseline(-1.0, 2.0), 0.5)
    assert math.isnan(below.rel_mde)
    assert below.n_control > 0
    with pytest.raises(ConfigError, match="method == 'weekly', must be one of fixed, sequential, group"):
        design(mean_baseline(1.0, 1.0), 0.1, method="weekly")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"mde == 0\.0, must be not 0"):
        design(mean_baseline(1.0, 1.0), 0.0)
    with pytest.raises(ConfigError, match="treatments == 0, looks == 1; both must be >= 1"):
        design(mean_baseline(1.0, 1.0), 0.1, treatments=0, looks=1)
