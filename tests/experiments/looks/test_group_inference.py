"""Intervals and p-values at the looks of a group-sequential test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from experiments.inference.comparison import Alternative
from experiments.inference.estimates import Estimate, Status
from experiments.looks.group_inference import (
    conditional_power,
    group_comparison,
    repeated_pvalue,
    stagewise_interval,
    stagewise_pvalue,
)
from experiments.looks.group_sequential import spending_boundary
from experiments.looks.spending import Spending

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]
alternatives = st.sampled_from(["two-sided", "greater", "less"])
spendings = st.sampled_from([Spending(), Spending("pocock")])
estimates = st.builds(Estimate, st.floats(0.5, 2), st.floats(0.001, 0.1), st.integers(100, 10**9), st.just("ok"))
NO_EFFECT = Estimate(0.5, 0.001, 500)


@given(estimates, estimates, alternatives, spendings, st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_interval_and_pvalue_agree(
    treatment: Estimate, control: Estimate, alternative: Alternative, spending: Spending, looks: int
) -> None:
    found = group_comparison(
        treatment, control, fractions=FIVE[:looks], spending=spending, alternative=alternative, last=looks == 5
    )
    assert found.ci_lower <= found.effect_size <= found.ci_upper
    assert 0 < found.pvalue <= 1
    if not math.isclose(found.pvalue, 0.05, rel_tol=1e-6):
        assert (found.pvalue < 0.05) == (found.ci_lower > 0 or found.ci_upper < 0)
        assert (found.pvalue < 0.05) == (
            {"two-sided": abs(found.statistic), "greater": found.statistic, "less": -found.statistic}[alternative]
            > spending_boundary(FIVE[:looks], spending, alternative=alternative, last=looks == 5).critical[-1]
        )


@given(estimates, estimates, alternatives)
@settings(max_examples=15, deadline=None)
def test_exchanged_arms_turn_signs(treatment: Estimate, control: Estimate, alternative: Alternative) -> None:
    turned: dict[Alternative, Alternative] = {"two-sided": "two-sided", "greater": "less", "less": "greater"}
    there = group_comparison(treatment, control, fractions=[0.5, 1.0], alternative=alternative)
    back = group_comparison(control, treatment, fractions=[0.5, 1.0], alternative=turned[alternative])
    assert (there.ci_lower, there.ci_upper) == (-back.ci_upper, -back.ci_lower)
    assert there.pvalue == pytest.approx(back.pvalue, rel=1e-9)


def test_one_look_is_a_z_test() -> None:
    found = group_comparison(Estimate(0.6, 0.001, 500), NO_EFFECT, fractions=[1.0], last=True)
    z = 0.1 / math.sqrt(0.002)
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)
    assert found.ci_lower == pytest.approx(0.1 - stats.norm.isf(0.025) * math.sqrt(0.002))


def test_a_look_too_early_says_nothing() -> None:
    found = group_comparison(Estimate(0.9, 0.001, 500), NO_EFFECT, fractions=[0.01])
    assert (found.ci_lower, found.ci_upper, found.status) == (-math.inf, math.inf, "ok")
    assert found.pvalue > 0.05


@pytest.mark.parametrize(
    ("arm", "status"),
    [
        (Estimate(math.nan, math.nan, 0, "no_units"), "no_units"),
        (Estimate(1.0, math.nan, 1, "too_few_units"), "too_few_units"),
        (Estimate(math.nan, math.nan, 5, "not_finite"), "not_finite"),
    ],
)
def test_degenerate_arms_have_a_status_and_no_figures(arm: Estimate, status: Status) -> None:
    found = group_comparison(arm, NO_EFFECT, fractions=[0.5])
    assert found.status == status
    assert all(math.isnan(figure) for figure in (found.ci_lower, found.ci_upper, found.pvalue, found.rel_pvalue))


def test_extreme_statistics_stay_in_range() -> None:
    assert repeated_pvalue(1e300, FIVE) == pytest.approx(1e-12)
    assert repeated_pvalue(-math.inf, FIVE, alternative="greater") == 1.0
    assert repeated_pvalue(0.0, FIVE, last=True) == pytest.approx(1.0)
    assert math.isnan(repeated_pvalue(math.nan, FIVE))
    boundary = spending_boundary(FIVE)
    assert math.isnan(stagewise_pvalue(math.nan, boundary, 0))
    assert math.isnan(stagewise_interval(math.inf, boundary, 0).lower)


@given(st.integers(0, 4), alternatives)
@settings(max_examples=15, deadline=None)
def test_pvalues_at_the_boundary_are_what_was_spent(look: int, alternative: Alternative) -> None:
    """Stagewise: all that was spent up to the look; repeated: alpha."""
    boundary = spending_boundary(FIVE, alternative=alternative)
    z = boundary.critical[look] * (-1 if alternative == "less" else 1)
    side = 0.025 if alternative == "two-sided" else 0.05
    spent = Spending().spent(FIVE[look], side) * (2 if alternative == "two-sided" else 1)
    assert stagewise_pvalue(z, boundary, look) == pytest.approx(spent, rel=1e-6)
    repeated = repeated_pvalue(z, FIVE[: look + 1], alternative=alternative, last=look == 4)
    assert repeated == pytest.approx(0.05, rel=1e-6)


def test_stagewise_pvalue_is_uniform_and_its_interval_covers() -> None:
    """Tests that end where the boundary says: the p-value is uniform without effect, the interval holds the drift."""
    fractions = [0.5, 1.0]
    boundary = spending_boundary(fractions, Spending("pocock"))
    rng = np.random.default_rng(13)
    runs, drift = 600, 1.5
    sums = np.cumsum(rng.normal(0.0, math.sqrt(0.5), (runs, 2)), axis=1)
    pvalues, held = [], 0
    for effect in (0.0, drift):
        z = (sums + effect * np.array(fractions)) / np.sqrt(fractions)
        for run in z.tolist():
            look = 0 if abs(run[0]) >= boundary.upper[0] else 1
            if effect == 0:
                pvalues.append(stagewise_pvalue(run[look], boundary, look))
            else:
                lower, upper = stagewise_interval(run[look], boundary, look)
                held += lower <= drift <= upper
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001
    assert abs(held / runs - 0.95) <= 3 * math.sqrt(0.05 * 0.95 / runs)


def test_conditional_power_by_hand_and_by_simulation() -> None:
    boundary = spending_boundary([0.5, 1.0], alternative="greater")
    by_hand = stats.norm.sf((boundary.upper[1] - (1.2 * math.sqrt(0.5) + 2.0 * 0.5)) / math.sqrt(0.5))
    assert conditional_power(1.2, 0, boundary, drift=2.0) == pytest.approx(by_hand)
    trend = 1.2 / math.sqrt(0.5)
    assert conditional_power(1.2, 0, boundary) == pytest.approx(conditional_power(1.2, 0, boundary, drift=trend))
    mirrored = spending_boundary([0.5, 1.0], alternative="less")
    assert conditional_power(-1.2, 0, mirrored) == pytest.approx(conditional_power(1.2, 0, boundary))
    two_sided = spending_boundary([0.5, 1.0])
    ends = 0.3 * math.sqrt(0.5) + np.random.default_rng(14).normal(0.0, math.sqrt(0.5), 200_000)
    seen = (np.abs(ends) >= two_sided.upper[1]).mean()
    assert conditional_power(0.3, 0, two_sided, drift=0.0) == pytest.approx(seen, abs=0.002)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: stagewise_pvalue(1.0, spending_boundary(FIVE), 5), "look == 5"),
        (lambda: stagewise_interval(1.0, spending_boundary(FIVE), -1), "look == -1"),
        (lambda: conditional_power(1.0, 4, spending_boundary(FIVE)), "is the last"),
        (lambda: repeated_pvalue(1.0, [0.5], alternative="up"), "'up'"),  # type: ignore[arg-type]
        (lambda: group_comparison(NO_EFFECT, NO_EFFECT, fractions=[]), "must rise"),
        (lambda: group_comparison(NO_EFFECT, NO_EFFECT, fractions=[0.5], alpha=2.0), "alpha == 2"),
    ],
)
def test_what_is_not_allowed_is_refused(call: object, named: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError, match=named):
        call()
