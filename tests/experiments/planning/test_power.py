"""Sample size, power and detectable effect, beside statsmodels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import proportion_effectsize

from core.errors import ConfigError
from experiments.inference.comparison import Alternative
from experiments.inference.estimates import Estimate, Status
from experiments.inference.frequentist import welch
from experiments.planning.baselines import (
    Baseline,
    mean_baseline,
    proportion_baseline,
    quantile_baseline,
    ratio_baseline,
)
from experiments.planning.power import achieved_power, minimum_detectable_effect, sample_size
from experiments.planning.power_plan import PowerPlan

THEIRS = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}
baselines = st.sampled_from(
    [
        mean_baseline(10.0, 3.0),
        proportion_baseline(0.1),
        ratio_baseline(2.0, 10.0, 1.5, 4.0, 0.5),
        quantile_baseline(5.0, 0.9, 0.05),
    ]
)
plans = st.builds(
    PowerPlan,
    alpha=st.sampled_from([0.01, 0.05]),
    power=st.sampled_from([0.5, 0.8, 0.95]),
    alternative=st.sampled_from(["two-sided", "greater", "less"]),
    test=st.sampled_from([None, "welch", "z"]),
    relative=st.booleans(),
    variance_reduction=st.sampled_from([0.0, 0.5]),
    comparisons=st.sampled_from([1, 4]),
    allocation=st.sampled_from([0.25, 1.0, 2.0]),
)


def test_reference_cases() -> None:
    """statsmodels: "two-proportion sample size" and "t-test sample size d=.1"."""
    share = sample_size(proportion_baseline(0.1), 0.01, PowerPlan(alpha=0.05, power=0.8))
    assert share.n_control == pytest.approx(14744.104836925611, abs=1e-6)
    mean = sample_size(mean_baseline(0.0, 1.0), 0.1, PowerPlan(alpha=0.05, power=0.8))
    assert mean.n_control == pytest.approx(1570.7330430520037, abs=1e-6)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("allocation", [0.25, 1.0, 3.0])
def test_parity_with_statsmodels(alternative: Alternative, allocation: float) -> None:
    sign = -1 if alternative == "less" else 1
    for d, alpha, power in itertools.product([0.02, 0.3], [0.05, 0.001], [0.5, 0.9]):
        plan = PowerPlan(alpha=alpha, power=power, alternative=alternative, test="pooled_t", allocation=allocation)
        theirs = TTestIndPower().solve_power(sign * d, None, alpha, power, allocation, THEIRS[alternative])
        assert sample_size(mean_baseline(5.0, 2.0), sign * 2 * d, plan).n_control == pytest.approx(theirs, rel=1e-7)
        shares = 0.1, 0.1 + sign * d / 4
        plan = PowerPlan(alpha=alpha, power=power, alternative=alternative, allocation=allocation)
        h = proportion_effectsize(shares[1], shares[0])
        theirs = NormalIndPower().solve_power(h, None, alpha, power, allocation, THEIRS[alternative])
        found = sample_size(proportion_baseline(shares[0]), sign * d / 4, plan)
        assert found.n_control == pytest.approx(theirs, rel=1e-6)
        theirs = NormalIndPower().power(h, 3000, alpha, allocation, THEIRS[alternative])
        assert achieved_power(proportion_baseline(0.1), sign * d / 4, 3000, plan).power == pytest.approx(theirs)


@given(baselines, plans, st.floats(0.001, 0.2))
@settings(max_examples=60, deadline=None)
def test_the_three_questions_agree(baseline: Baseline, plan: PowerPlan, size: float) -> None:
    mde = size * (1 if plan.relative else baseline.value) * (-1 if plan.alternative == "less" else 1)
    planned = sample_size(baseline, mde, plan)
    assert planned.status == "ok"
    assert planned.n_treatment == pytest.approx(planned.n_control * plan.allocation)
    if planned.n_control > 2 * max(1.0, 1 / plan.allocation) * (1 + 1e-9):
        power = achieved_power(baseline, mde, planned.n_control, plan).power
        assert power == pytest.approx(plan.power, abs=1e-9)
        found = minimum_detectable_effect(baseline, planned.n_control, plan)
        assert found.mde == pytest.approx(planned.mde, rel=1e-6)
        assert found.rel_mde == pytest.approx(planned.rel_mde, rel=1e-6)


@given(baselines, st.floats(0.01, 0.1), st.floats(2.1, 1e9), st.floats(1.01, 10))
@settings(deadline=None)
def test_more_units_see_more(baseline: Baseline, size: float, n: float, more: float) -> None:
    plan = PowerPlan(relative=True)
    few, many = (achieved_power(baseline, size, units, plan).power for units in (n, n * more))
    assert 0 <= few <= many * (1 + 1e-9) <= 1 + 1e-9
    wide, narrow = (minimum_detectable_effect(baseline, units, plan) for units in (n, n * more))
    assert narrow.mde < wide.mde or wide.status == "too_few_units"


def test_welch_by_simulation_with_unequal_arms() -> None:
    """Power as planned against the test that is run, 20 and 60 units."""
    plan = PowerPlan(allocation=3.0)
    planned = achieved_power(mean_baseline(0.0, 1.0), 0.7, 20, plan).power
    rng = np.random.default_rng(16)
    control, treatment = rng.normal(0.0, 1.0, (1500, 20)), rng.normal(0.7, 1.0, (1500, 60))
    found = [
        welch(Estimate(m2, v2 / 60, 60), Estimate(m1, v1 / 20, 20)).pvalue < 0.05
        for m1, v1, m2, v2 in zip(
            control.mean(1), control.var(1, ddof=1), treatment.mean(1), treatment.var(1, ddof=1), strict=True
        )
    ]
    assert np.mean(found) == pytest.approx(planned, abs=3 * math.sqrt(planned * (1 - planned) / 1500))


def test_options_scale_as_they_should() -> None:
    baseline, plan = proportion_baseline(0.1), PowerPlan(alternative="greater")
    plain = sample_size(baseline, 0.01, plan).n_control
    reduced = PowerPlan(alternative="greater", variance_reduction=0.64)
    assert sample_size(baseline, 0.01, reduced).n_control == pytest.approx(0.36 * plain)
    relative = PowerPlan(alternative="greater", relative=True)
    assert sample_size(baseline, 0.1, relative).n_control == pytest.approx(plain)
    several = PowerPlan(alternative="greater", comparisons=5)
    strict = PowerPlan(alternative="greater", alpha=0.01)
    assert sample_size(baseline, 0.01, several).n_control == pytest.approx(
        sample_size(baseline, 0.01, strict).n_control
    )
    uneven = PowerPlan(alternative="greater", allocation=0.25)
    found = sample_size(baseline, 0.01, uneven)
    assert 1 / (1 / found.n_control + 1 / found.n_treatment) == pytest.approx(plain / 2)


def test_non_inferiority_by_hand() -> None:
    """No difference in truth, margin m: n = 2 σ² (z_α + z_β)² / m², for both directions."""
    needed = 2 * 9.0 * (stats.norm.isf(0.05) + stats.norm.isf(0.2)) ** 2 / 0.5**2
    for alternative in ("greater", "less"):
        plan = PowerPlan(alternative=alternative, margin=0.5, test="z")  # type: ignore[arg-type]
        assert sample_size(mean_baseline(10.0, 3.0), 0.0, plan).n_control == pytest.approx(needed)
        relative = PowerPlan(alternative=alternative, margin=0.05, test="z", relative=True)  # type: ignore[arg-type]
        assert sample_size(mean_baseline(10.0, 3.0), 0.0, relative).n_control == pytest.approx(needed)
    found = minimum_detectable_effect(mean_baseline(10.0, 3.0), needed, PowerPlan(alternative="greater", margin=0.5))
    assert abs(found.mde) < 1e-3, "units enough to refute the margin where there is no difference"
    shares = sample_size(proportion_baseline(0.1), 0.0, PowerPlan(alternative="greater", margin=0.01))
    mirrored = sample_size(proportion_baseline(0.09), 0.01, PowerPlan(alternative="greater"))
    assert shares.n_control == pytest.approx(mirrored.n_control)


@pytest.mark.parametrize(
    ("baseline", "plan", "status"),
    [
        (mean_baseline(1.0, 0.0), PowerPlan(), "no_variance"),
        (mean_baseline(math.nan, 1.0), PowerPlan(), "not_finite"),
        (mean_baseline(0.0, 1.0), PowerPlan(relative=True), "zero_baseline"),
        (mean_baseline(-2.0, 1.0), PowerPlan(relative=True), "negative_baseline"),
        (ratio_baseline(1.0, 0.0, 1.0, 1.0, 0.0), PowerPlan(), "undefined_ratio"),
    ],
)
def test_degenerate_baselines_have_a_status_and_no_figures(baseline: Baseline, plan: PowerPlan, status: Status) -> None:
    planned = sample_size(baseline, 0.1, plan)
    assert (planned.status, math.isnan(planned.n_control)) == (status, True)
    reached = achieved_power(baseline, 0.1, 100, plan)
    assert (reached.status, math.isnan(reached.power)) == (status, True)
    found = minimum_detectable_effect(baseline, 100, plan)
    assert (found.status, math.isnan(found.mde)) == (status, True)


def test_a_handful_of_units_and_a_billion() -> None:
    one = minimum_detectable_effect(mean_baseline(5.0, 1.0), 1)
    assert (one.status, math.isnan(one.mde)) == ("too_few_units", True)
    assert achieved_power(mean_baseline(5.0, 1.0), 1.0, 1).status == "too_few_units"
    three = minimum_detectable_effect(proportion_baseline(0.5), 3)
    assert (three.status, math.isnan(three.mde)) == ("too_few_units", True)
    many = minimum_detectable_effect(mean_baseline(5.0, 1.0), 1e9)
    by_hand = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) * math.sqrt(2e-9)
    assert many.mde == pytest.approx(by_hand, rel=1e-5)
    assert sample_size(mean_baseline(5.0, 1.0), 100.0).n_control == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("mde", "plan", "named"),
    [
        (0.0, PowerPlan(), "not 0"),
        (-0.01, PowerPlan(alternative="greater"), "above -margin"),
        (0.01, PowerPlan(alternative="less"), "below margin"),
        (0.95, PowerPlan(), "out of 0"),
        (math.nan, PowerPlan(), "mde == nan"),
        (0.0, PowerPlan(alternative="greater", margin=0.2), "margin == 0.2"),
    ],
)
def test_effects_that_cannot_be_are_refused(mde: float, plan: PowerPlan, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        sample_size(proportion_baseline(0.1), mde, plan)


def test_units_must_be_above_zero() -> None:
    for n in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="n_control"):
            achieved_power(proportion_baseline(0.1), 0.01, n)
