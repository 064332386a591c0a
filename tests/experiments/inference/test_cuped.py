"""CUPED: the variance it takes away, false positives, ratios, and covariates that are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.bayes.bayesian import gaussian_posterior
from experiments.inference.comparison import difference
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import mean_estimate, ratio_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.looks.sequential import confidence_sequence

ROWS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=15)


def users(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    before = rng.normal(10.0, 2.0, n)
    noise = rng.normal(0.0, 2.0, n)
    return np.stack([correlation * (before - 10) + math.sqrt(1 - correlation**2) * noise + 12, before], axis=1)


def readers(rng: np.random.Generator, n: int, lift: float = 1.0) -> np.ndarray:
    """Clicks and views of users who differ, now and before; a tenth was not there before."""
    taste = rng.beta(2.0, 8.0, n)
    activity = rng.geometric(0.1, n)
    views, views_before = 1 + rng.poisson(activity), rng.poisson(activity) * (rng.random(n) > 0.1)
    clicks, clicks_before = rng.binomial(views, np.minimum(taste * lift, 1)), rng.binomial(views_before, taste)
    return np.stack([clicks, views, clicks_before, views_before], axis=1).astype(float)


@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_the_variance_ratio_is_what_the_correlation_leaves(correlation: float) -> None:
    rng = np.random.default_rng(0)
    one, two = (Moments.from_rows(users(rng, 100_000, correlation)) for _ in range(2))
    found = cuped_means(one, two)
    left = 1 - found.variance_reduction
    assert left == pytest.approx(1 - correlation**2, rel=0.02)
    assert found.treatment_slopes == pytest.approx((correlation,), rel=0.02)


def spread_and_errors(runs: int, n: int, correlation: float) -> tuple[float, float]:
    """Variance of the adjusted effect over that of the plain one, and false positives of the adjusted test."""
    rng = np.random.default_rng(1)
    plain, adjusted, wrong = np.empty(runs), np.empty(runs), 0
    for run in range(runs):
        one, two = (Moments.from_rows(users(rng, n, correlation)) for _ in range(2))
        found = cuped_means(one, two)
        plain[run] = one.mean[0] - two.mean[0]
        adjusted[run] = found.treatment.value - found.control.value
        wrong += welch(found.treatment, found.control).pvalue < 0.05
    return float(adjusted.var() / plain.var()), wrong / runs


@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_false_positives(correlation: float) -> None:
    runs = 1500
    ratio, wrong = spread_and_errors(runs, 100, correlation)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    # The effect itself varies less by as much as its standard error says.
    assert ratio == pytest.approx(1 - correlation**2, rel=0.2)


@pytest.mark.long
@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_false_positives_in_full(correlation: float) -> None:
    runs = 20_000
    ratio, wrong = spread_and_errors(runs, 300, correlation)
    assert 0.04 <= wrong <= 0.06
    assert ratio == pytest.approx(1 - correlation**2, rel=0.05)


def test_ratios_lose_variance_and_keep_their_level() -> None:
    rng = np.random.default_rng(2)
    runs, wrong = 800, 0
    lifts, claimed = np.empty((runs, 2)), np.empty(runs)
    for run in range(runs):
        one, two = (Moments.from_rows(readers(rng, 300)) for _ in range(2))
        found = cuped_ratios(one, two)
        compared = welch(found.treatment, found.control)
        wrong += compared.pvalue < 0.05
        lifts[run] = compared.effect_size, ratio_estimate(one).value - ratio_estimate(two).value
        claimed[run] = found.variance_reduction
    assert wrong / runs == pytest.approx(0.05, abs=0.005 + 3 * math.sqrt(0.0475 / runs))
    # What is claimed to be lost is lost.
    assert claimed.mean() > 0.25
    assert 1 - claimed.mean() == pytest.approx(lifts[:, 0].var() / lifts[:, 1].var(), rel=0.15)
    assert lifts[:, 0].mean() == pytest.approx(0.0, abs=4 * lifts[:, 0].std() / math.sqrt(runs))


def test_a_true_lift_is_found_where_it_is() -> None:
    rng = np.random.default_rng(3)
    one, two = Moments.from_rows(readers(rng, 40_000, lift=1.1)), Moments.from_rows(readers(rng, 40_000))
    for columns in ((0, 1, 2, 3), (0, 1, 2)):
        found = cuped_ratios(one.column(*columns), two.column(*columns))
        compared = welch(found.treatment, found.control)
        assert found.note == "adjusted"
        assert compared.rel_ci_lower < 0.1 < compared.rel_ci_upper
        assert found.control.value == pytest.approx(0.2, abs=0.01)


def test_a_ratio_over_ones_is_a_mean() -> None:
    rng = np.random.default_rng(4)
    rows = [users(rng, 50, 0.7) for _ in range(2)]
    ones = [np.stack([arm[:, 0], np.ones(50), arm[:, 1], np.ones(50)], axis=1) for arm in rows]
    means = cuped_means(*(Moments.from_rows(arm) for arm in rows))
    ratios = cuped_ratios(*(Moments.from_rows(arm) for arm in ones))
    for mean, ratio in zip(means[:2], ratios[:2], strict=True):
        assert tuple(ratio)[:3] == pytest.approx(tuple(mean)[:3])


def test_agrees_with_the_analysis_of_covariance() -> None:
    rng = np.random.default_rng(5)
    one, two = users(rng, 40, 0.6), users(rng, 25, 0.6)
    design = np.column_stack([np.ones(65), np.repeat([1.0, 0.0], [40, 25]), np.concatenate([one[:, 1], two[:, 1]])])
    coefficients, *_ = np.linalg.lstsq(design, np.concatenate([one[:, 0], two[:, 0]]), rcond=None)
    found = cuped_means(Moments.from_rows(one), Moments.from_rows(two))
    assert found.treatment.value - found.control.value == pytest.approx(coefficients[1])
    assert found.control_slopes == pytest.approx((coefficients[2],))


@given(ROWS, ROWS, st.floats(0.1, 100))
def test_what_holds_for_any_arms(first: list[tuple[int, int]], second: list[tuple[int, int]], scale: float) -> None:
    one, two = Moments.from_rows(np.array(first, float)), Moments.from_rows(np.array(second, float))
    found, swapped = cuped_means(one, two), cuped_means(two, one)
    assert (swapped.treatment.value, swapped.control.value) == pytest.approx(
        (found.control.value, found.treatment.value)
    )
    assert found.treatment.variance >= 0
    scaled = cuped_means(
        Moments.from_rows(np.array(first, float) * [1, scale]), Moments.from_rows(np.array(second, float) * [1, scale])
    )
    assert scaled.treatment.value == pytest.approx(found.treatment.value, abs=1e-6)
    assert scaled.treatment.variance == pytest.approx(found.treatment.variance, abs=1e-6)


def test_adjusted_estimates_go_wherever_estimates_go() -> None:
    rng = np.random.default_rng(6)
    one, two = Moments.from_rows(users(rng, 2000, 0.8) + np.array([0.2, 0.0])), Moments.from_rows(users(rng, 2000, 0.8))
    found = cuped_means(one, two)
    apart = difference(found.treatment, found.control)
    plain = difference(mean_estimate(one), mean_estimate(two))
    assert apart.se < 0.7 * plain.se
    narrow, wide = (confidence_sequence(seen.effect_size, seen.se, 4000, 4000, 0.05) for seen in (apart, plain))
    assert narrow.upper - narrow.lower < 0.7 * (wide.upper - wide.lower)
    assert gaussian_posterior(apart.effect_size, apart.se).chance_to_win > 0.99


def test_a_billion_units() -> None:
    rng = np.random.default_rng(7)
    arms = [Moments.from_rows(users(rng, 1000, 0.8)) for _ in range(2)]
    for _ in range(20):
        arms = [arm.merge(arm) for arm in arms]
    found = cuped_means(*arms)
    assert found.treatment.n == 1000 * 2**20
    assert 1 - found.variance_reduction == pytest.approx(0.36, rel=0.1)


def test_covariates_that_are_none_leave_the_plain_estimates() -> None:
    rng = np.random.default_rng(8)
    rows = users(rng, 30, 0.5)
    one = Moments.from_rows(rows)
    constant = Moments.from_rows(np.column_stack([rows[:, 0], np.full(30, 0.1)]))
    broken = Moments(one.n, np.array([one.mean[0], math.nan]), np.full((2, 2), math.nan) + np.diag([1.0, math.nan]))
    nobody_before = np.column_stack([rows, np.zeros((30, 2))])
    for found, plain, note in [
        (cuped_means(one.column(0), one.column(0)), mean_estimate(one), "no_covariate"),
        (cuped_means(constant, constant), mean_estimate(constant), "covariate_no_variance"),
        (
            cuped_ratios(Moments.from_rows(nobody_before), Moments.from_rows(nobody_before)),
            ratio_estimate(one),
            "covariate_not_finite",
        ),
        (cuped_ratios(one, one), ratio_estimate(one), "no_covariate"),
    ]:
        assert (found.note, found.treatment, found.variance_reduction) == (note, plain, 0.0)
    assert cuped_means(one, broken).note in ("no_estimate", "covariate_not_finite")
    empty = cuped_means(one, Moments.empty(2))
    assert (empty.note, empty.control.status) == ("no_estimate", "no_units")
    single = cuped_means(one, Moments.from_rows([[1.0, 2.0]]))
    assert (single.note, single.control.status) == ("too_few_units", "too_few_units")
    two_each = Moments.from_rows(rows[:2])
    assert cuped_means(two_each, two_each).note == "adjusted"
    three = Moments.from_rows(np.column_stack([rows[:2], rng.normal(size=2)]))
    assert cuped_means(three, three).note == "adjusted"
    # Two slopes from two arms of two would explain everything.
    other = Moments.from_rows(np.column_stack([rows[2:4], rng.normal(size=2)]))
    assert cuped_means(three, other).note == "too_few_units"


def test_an_outcome_that_its_covariate_determines_has_no_variance_left() -> None:
    x = np.array([0.1, 0.2, 0.7, 0.3])
    arm = Moments.from_rows(np.column_stack([3 * x, x]))
    found = cuped_means(arm, arm)
    assert (found.treatment.variance, found.variance_reduction) == (0.0, 1.0)
    assert welch(found.treatment, found.control).status == "no_variance"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="treatment brings 2 numbers a unit, control 3"):
        cuped_means(Moments.empty(2), Moments.empty(3))
    for size in (1, 5):
        with pytest.raises(DataError, match=f"{size} numbers a unit; a ratio needs 2"):
            cuped_ratios(Moments.empty(size), Moments.empty(size))
