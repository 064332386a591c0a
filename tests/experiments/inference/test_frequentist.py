"""Welch and z against scipy, statsmodels and GrowthBook; what holds for any arms; what cannot be tested."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from core.errors import ConfigError
from experiments.inference.comparison import ALTERNATIVES, Alternative, Comparison, difference
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate
from experiments.inference.frequentist import welch, z_test
from experiments.inference.moments import Moments

#: scipy's and statsmodels' words for an alternative.
_LARGER = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}
ESTIMATES = st.builds(
    Estimate, value=st.floats(-1e3, 1e3), variance=st.floats(1e-6, 1e3), n=st.integers(2, 10**9), status=st.just("ok")
)


def of(rows: np.ndarray) -> Estimate:
    return mean_estimate(Moments.from_rows(rows))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("seed", range(3))
def test_welch_agrees_with_scipy(alternative: Alternative, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(1.0, 2.0, 40), rng.normal(0.5, 1.0, 25)
    found = welch(of(one), of(two), alpha=0.1, alternative=alternative)
    expected = stats.ttest_ind(one, two, equal_var=False, alternative=alternative)
    interval = expected.confidence_interval(0.9)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.df == pytest.approx(expected.df)
    assert found.pvalue == pytest.approx(expected.pvalue)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_z_agrees_with_statsmodels(alternative: Alternative) -> None:
    rng = np.random.default_rng(5)
    one, two = rng.exponential(1.0, 60), rng.exponential(1.2, 70)
    arms = CompareMeans(DescrStatsW(one), DescrStatsW(two))
    statistic, pvalue = arms.ztest_ind(alternative=_LARGER[alternative], usevar="unequal")
    found = z_test(of(one), of(two), alternative=alternative)
    assert (found.statistic, found.pvalue) == pytest.approx((statistic, pvalue))
    assert found.df == math.inf


def test_relative_effects_agree_with_growthbook() -> None:
    control = mean_estimate(Moments.from_sums(3407, [1396.87], [[52377.9767]]))
    treatment = mean_estimate(Moments.from_sums(3461, [2422.7], [[134698.29]]))
    found = welch(treatment, control)
    assert found.rel_effect_size == pytest.approx(0.7073170731707317)
    assert (found.rel_ci_lower, found.rel_ci_upper) == pytest.approx((-0.03526008906611777, 1.449894235407581))
    assert (found.rel_pvalue, found.rel_se) == pytest.approx((0.06191182745618362, 0.3787943616681428))
    shares = welch(proportion_estimate(30, 16), proportion_estimate(28, 14))
    assert (shares.rel_ci_lower, shares.rel_ci_upper) == pytest.approx((-0.4776740282706785, 0.6110073616040118))


@given(ESTIMATES, ESTIMATES, st.floats(0.001, 0.5))
def test_what_holds_for_any_arms(one: Estimate, two: Estimate, alpha: float) -> None:
    found, swapped = welch(one, two, alpha=alpha), welch(two, one, alpha=alpha)
    assert 0 <= found.pvalue <= 1
    assert found.ci_lower <= found.effect_size <= found.ci_upper
    assert (swapped.effect_size, swapped.pvalue) == pytest.approx((-found.effect_size, found.pvalue))
    assert (swapped.ci_lower, swapped.ci_upper) == pytest.approx((-found.ci_upper, -found.ci_lower))
    # The interval misses 0 exactly where the p-value is below alpha, up to rounding.
    if abs(found.pvalue - alpha) > 1e-9:
        assert (found.ci_lower > 0 or found.ci_upper < 0) == (found.pvalue < alpha)


@given(ESTIMATES, ESTIMATES, st.floats(1e-3, 1e3))
def test_the_unit_of_the_metric_changes_nothing(one: Estimate, two: Estimate, scale: float) -> None:
    grown = [Estimate(arm.value * scale, arm.variance * scale**2, arm.n) for arm in (one, two)]
    found, scaled = welch(one, two), welch(*grown)
    assert scaled.pvalue == pytest.approx(found.pvalue, rel=1e-6, abs=1e-12)
    assert scaled.rel_effect_size == pytest.approx(found.rel_effect_size, rel=1e-6, nan_ok=True)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    held = []
    for _ in range(2000):
        one, two = rng.normal(1.0, 1.0, 30), rng.normal(0.6, 2.0, 20)
        found = welch(of(one), of(two), alpha=0.1)
        held.append(found.ci_lower <= 0.4 <= found.ci_upper)
    assert np.mean(held) == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 2000))


def statistics_of(found: Comparison) -> list[float]:
    return [found.se, found.ci_lower, found.ci_upper, found.pvalue, found.statistic, found.df]


@pytest.mark.parametrize(
    ("treatment", "control", "status"),
    [
        (Estimate(math.nan, math.nan, 0, "no_units"), Estimate(1.0, 0.1, 9), "no_units"),
        (Estimate(1.0, 0.1, 9), Estimate(2.0, math.nan, 1, "too_few_units"), "too_few_units"),
        (Estimate(1.0, 0.0, 9), Estimate(2.0, 0.0, 9), "no_variance"),
        (Estimate(math.inf, 0.1, 9), Estimate(2.0, 0.1, 9), "not_finite"),
    ],
)
def test_what_cannot_be_tested_has_a_status_and_no_figures(treatment: Estimate, control: Estimate, status: str) -> None:
    found = welch(treatment, control)
    assert found.status == status
    assert all(math.isnan(value) for value in statistics_of(found))
    assert math.isnan(found.rel_effect_size)


@pytest.mark.parametrize(("baseline", "status"), [(0.0, "zero_baseline"), (-2.0, "negative_baseline")])
def test_without_a_baseline_above_0_the_absolute_figures_stand(baseline: float, status: str) -> None:
    found = welch(Estimate(1.0, 0.1, 9), Estimate(baseline, 0.1, 9))
    assert (found.status, found.effect_size) == (status, 1.0 - baseline)
    assert all(math.isfinite(value) for value in statistics_of(found))
    assert all(math.isnan(value) for value in (found.rel_effect_size, found.rel_se, found.rel_pvalue))


def test_one_arm_without_variance_and_a_billion_units_are_no_trouble() -> None:
    found = welch(Estimate(0.5, 1e-10, 10**9), Estimate(0.4, 0.0, 10**9))
    assert (found.status, found.pvalue) == ("ok", 0.0)
    assert found.df == pytest.approx(10**9 - 1)
    assert welch(Estimate(1e-160, 1e-320, 5), Estimate(2e-160, 1e-320, 5)).df == pytest.approx(8)


def test_what_is_not_allowed_is_refused() -> None:
    one = Estimate(1.0, 0.1, 9)
    with pytest.raises(ConfigError, match=r"alpha == 1.2, must be above 0 and below 1"):
        welch(one, one, alpha=1.2)
    with pytest.raises(ConfigError, match="alternative == 'larger', must be one of two-sided, greater, less"):
        welch(one, one, alternative="larger")  # type: ignore[arg-type]
    assert difference(one, one).effect_size == 0
