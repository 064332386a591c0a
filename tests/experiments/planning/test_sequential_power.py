"""Power of tests with looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError
from experiments.inference.comparison import Alternative
from experiments.inference.estimates import Status
from experiments.looks.confidence_sequences import critical_values
from experiments.looks.group_sequential import inflation_factor, spending_boundary, wang_tsiatis_boundary
from experiments.looks.guarantees import share_left
from experiments.planning.baselines import Baseline, mean_baseline, proportion_baseline, ratio_baseline
from experiments.planning.power import sample_size
from experiments.planning.power_plan import PowerPlan
from experiments.planning.sequential_power import group_power, group_sample_size, sequence_mde, sequence_power

THIRTY = [10_000 * (look + 1) // 30 for look in range(30)]
CLICKS, REVENUE = proportion_baseline(0.1), mean_baseline(10.0, 30.0)


@pytest.mark.parametrize(("delta", "bar"), [(0.0125, 0.44), (0.015, 0.66), (0.02, 0.88)])
def test_sequence_power_against_simulation(delta: float, bar: float) -> None:
    found = sequence_power(CLICKS, delta, THIRTY, n_star=10_000)
    critical = critical_values(2 * np.array(THIRTY), n_star=10_000)
    seen = share_left(0.1, 0.1 + delta, THIRTY, critical, n_runs=4000, seed=17)
    assert found.power == pytest.approx(seen.above, abs=3 * math.sqrt(0.25 / 4000))
    assert found.power >= bar
    assert sum(found.stop) == pytest.approx(1)
    assert found.expected_control < 10_000


def test_expected_units_against_simulation() -> None:
    found = sequence_power(REVENUE, 2.0, [1000, 3000, 6000], n_star=8000)
    rng = np.random.default_rng(18)
    steps = np.array([1000, 2000, 3000])
    sums = np.cumsum(rng.normal(2.0 * steps, 30 * np.sqrt(2 * steps), (50_000, 3)), axis=1)
    n = np.cumsum(steps)
    crossed = np.abs(sums / (30 * np.sqrt(2 * n))) >= critical_values(2 * n, n_star=8000)
    ended = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 2)
    assert found.expected_control == pytest.approx(n[ended].mean(), abs=35)
    assert found.power == pytest.approx(crossed.any(axis=1).mean(), abs=0.007)


@pytest.mark.parametrize("baseline", [CLICKS, REVENUE, ratio_baseline(2.0, 10.0, 1.5, 4.0, 0.5)])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_detectable_effect_is_seen_with_the_power_asked_for(baseline: Baseline, alternative: Alternative) -> None:
    plan = PowerPlan(alternative=alternative, allocation=0.5, variance_reduction=0.3, comparisons=2)
    looks = [2000, 4000, 8000]
    found = sequence_mde(baseline, looks, n_star=12_000, plan=plan)
    assert found.status == "ok"
    assert found.power == pytest.approx(0.8, abs=1e-6)
    assert (found.mde < 0) == (alternative == "less")
    assert sequence_power(baseline, found.mde, looks, n_star=12_000, plan=plan).power == pytest.approx(0.8, abs=1e-6)


def test_a_sequence_far_from_its_best_still_has_a_detectable_effect() -> None:
    found = sequence_mde(REVENUE, [150, 200], n_star=1e6)
    assert found.power == pytest.approx(0.8, abs=1e-6)
    assert found.mde > 10 * REVENUE.value
    unreachable = sequence_mde(CLICKS, [150], n_star=1e9)
    assert (unreachable.status, math.isnan(unreachable.mde)) == ("too_few_units", True)


def test_burn_in_cannot_stop() -> None:
    early = sequence_power(CLICKS, 0.5, [50, 5000], n_star=10_000)
    assert early.stop[0] == 0
    assert early.stop[1] == pytest.approx(1)
    never = sequence_power(CLICKS, 0.5, [50, 99], n_star=10_000)
    assert (never.status, math.isnan(never.power)) == ("burn_in", True)


def test_group_sequential_sample_size_is_the_fixed_one_inflated() -> None:
    boundary = wang_tsiatis_boundary([0.2, 0.4, 0.6, 0.8, 1.0], 0.5)
    plan = PowerPlan(test="z", power=0.9)
    fixed = sample_size(REVENUE, 1.0, plan).n_control
    found = group_sample_size(REVENUE, 1.0, boundary, plan)
    assert found.n_control == pytest.approx(fixed * inflation_factor(boundary, 0.9), rel=1e-6)
    assert found.power == pytest.approx(0.9, abs=1e-6)
    assert found.expected_control < fixed
    assert group_power(REVENUE, 1.0, found.n_control, boundary, plan) == found


def test_group_sequential_both_directions_and_non_inferiority() -> None:
    up, down = (spending_boundary([0.5, 1.0], alternative=side) for side in ("greater", "less"))
    plans = [PowerPlan(alternative=side, margin=1.0) for side in ("greater", "less")]  # type: ignore[arg-type]
    found = [
        group_sample_size(REVENUE, 0.0, boundary, plan).n_control
        for boundary, plan in zip((up, down), plans, strict=True)
    ]
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(group_sample_size(REVENUE, 1.0, up).n_control)


@pytest.mark.parametrize(
    ("baseline", "plan", "status"),
    [
        (mean_baseline(1.0, 0.0), PowerPlan(), "no_variance"),
        (mean_baseline(0.0, 1.0), PowerPlan(relative=True), "zero_baseline"),
        (mean_baseline(-1.0, 1.0), PowerPlan(relative=True), "negative_baseline"),
        (mean_baseline(math.inf, 1.0), PowerPlan(), "not_finite"),
    ],
)
def test_degenerate_baselines_have_a_status_and_no_figures(baseline: Baseline, plan: PowerPlan, status: Status) -> None:
    boundary = spending_boundary([0.5, 1.0])
    for found in (
        sequence_power(baseline, 0.1, THIRTY, n_star=5000, plan=plan),
        sequence_mde(baseline, THIRTY, n_star=5000, plan=plan),
        group_power(baseline, 0.1, 1000, boundary, plan),
        group_sample_size(baseline, 0.1, boundary, plan),
    ):
        assert found.status == status
        assert math.isnan(found.power)
        assert math.isnan(found.expected_control)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: sequence_power(CLICKS, 0.01, [], n_star=5000), "looks"),
        (lambda: sequence_power(CLICKS, 0.01, [200, 100], n_star=5000), "must rise"),
        (lambda: sequence_power(CLICKS, 0.01, [200, 300], n_star=0), "n_star"),
        (lambda: sequence_power(CLICKS, 0.95, [200, 300], n_star=5000), "out of 0"),
        (lambda: group_power(CLICKS, 0.01, 0, spending_boundary([1.0])), "looks"),
        (lambda: group_sample_size(CLICKS, 0.0, spending_boundary([1.0])), "must not be 0"),
        (lambda: group_sample_size(CLICKS, -0.01, spending_boundary([1.0], alternative="greater")), "wrong side"),
        (
            lambda: group_power(CLICKS, 0.01, 100, spending_boundary([1.0]), PowerPlan(alternative="less")),
            "must be the same",
        ),
    ],
)
def test_what_is_not_allowed_is_refused(call: object, named: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError, match=named):
        call()
