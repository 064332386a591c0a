"""Guardrails: both directions, absolute and relative margins, error rates, what cannot be tested."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from core.errors import ConfigError
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.inference.non_inferiority import (
    non_inferiority,
    non_inferiority_of_comparison,
    non_inferiority_of_interval,
)
from experiments.looks.confidence_sequences import sequential_comparison
from experiments.looks.sequential import Interval

ESTIMATES = st.builds(
    Estimate, value=st.floats(0.1, 10), variance=st.floats(1e-4, 0.5), n=st.integers(2, 10**9), status=st.just("ok")
)


def of(rows: np.ndarray) -> Estimate:
    return mean_estimate(Moments.from_rows(rows))


def test_an_absolute_margin_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(9.9, 2.0, 50), rng.normal(10.0, 1.0, 70)
    arms = CompareMeans(DescrStatsW(one), DescrStatsW(two))
    found = non_inferiority(of(one), of(two), 0.5)
    _, pvalue, _ = arms.ttest_ind(alternative="larger", usevar="unequal", value=-0.5)
    assert found.pvalue == pytest.approx(pvalue)
    assert found.bound == pytest.approx(arms.tconfint_diff(alpha=0.1, usevar="unequal")[0])
    lower = non_inferiority(of(one), of(two), 0.5, lower_is_better=True)
    _, pvalue, _ = arms.ttest_ind(alternative="smaller", usevar="unequal", value=0.5)
    assert (lower.pvalue, lower.worst_allowed) == (pytest.approx(pvalue), 0.5)
    assert lower.bound == pytest.approx(arms.tconfint_diff(alpha=0.1, usevar="unequal")[1])


def test_a_relative_margin_is_an_absolute_one_of_a_scaled_control() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(9.9, 2.0, 50), rng.normal(10.0, 1.0, 70)
    found = non_inferiority(of(one), of(two), 0.05, relative=True)
    expected = stats.ttest_ind(one, 0.95 * two, equal_var=False, alternative="greater")
    assert found.pvalue == pytest.approx(expected.pvalue)
    assert found.effect_size == pytest.approx(one.mean() / two.mean() - 1)
    # Fieller's end is where the test of a control scaled by it is exactly at alpha.
    at_bound = of(one), of((1 + found.bound) * two)
    t = (at_bound[0].value - at_bound[1].value) / math.sqrt(at_bound[0].variance + at_bound[1].variance)
    df = stats.ttest_ind(one, 0.95 * two, equal_var=False).df
    assert t == pytest.approx(stats.t.ppf(0.95, df))


@given(ESTIMATES, ESTIMATES, st.floats(0.01, 0.9), st.booleans(), st.booleans())
def test_what_holds_for_any_arms(one: Estimate, two: Estimate, margin: float, relative: bool, lower: bool) -> None:
    found = non_inferiority(one, two, margin, relative=relative, lower_is_better=lower)
    if found.status != "ok":
        assert relative
        assert found.verdict == "inconclusive"
        return
    assert found.pvalue + found.inferior_pvalue == pytest.approx(1.0)
    beats = found.bound < found.worst_allowed if lower else found.bound > found.worst_allowed
    if abs(found.pvalue - 0.05) > 1e-9:
        assert (found.verdict == "non_inferior") == (found.pvalue < 0.05) == beats
    assert found.bound >= found.effect_size - 1e-9 if lower else found.bound <= found.effect_size + 1e-9
    # A wider margin is never harder to keep.
    wider = non_inferiority(one, two, margin * 1.1, relative=relative, lower_is_better=lower)
    if relative:
        return
    assert wider.pvalue <= found.pvalue + 1e-9
    mirrored = non_inferiority(
        one._replace(value=-one.value), two._replace(value=-two.value), margin, lower_is_better=not lower
    )
    assert (mirrored.pvalue, mirrored.verdict) == (pytest.approx(found.pvalue), found.verdict)


@pytest.mark.parametrize("lower_is_better", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_verdicts(lower_is_better: bool, relative: bool) -> None:
    sign = -1 if lower_is_better else 1
    control = Estimate(10.0, 0.0025, 5000)

    def verdict(effect: float, variance: float) -> str:
        margin = 0.05 if relative else 0.5
        treatment = Estimate(10.0 + sign * effect, variance, 5000)
        return non_inferiority(treatment, control, margin, relative=relative, lower_is_better=lower_is_better).verdict

    assert verdict(0.0, 0.0025) == "non_inferior"
    assert verdict(3.0, 0.0025) == "non_inferior"
    assert verdict(-0.4, 0.0025) == "inconclusive"
    assert verdict(-1.0, 0.0025) == "inferior"
    assert verdict(0.0, 1.0) == "inconclusive"


@pytest.mark.parametrize("relative", [False, True])
def test_at_the_margin_it_errs_as_often_as_it_says(relative: bool) -> None:
    rng = np.random.default_rng(2)
    runs = 3000
    passed = failed = 0
    for _ in range(runs):
        one, two = of(rng.exponential(0.9, 200)), of(rng.exponential(1.0, 200))
        found = non_inferiority(one, two, 0.1, relative=relative)
        passed += found.verdict == "non_inferior"
        failed += found.verdict == "inferior"
    slack = 0.005 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert passed / runs == pytest.approx(0.05, abs=slack)
    assert failed / runs == pytest.approx(0.05, abs=slack)


def test_any_interval_can_be_judged() -> None:
    assert non_inferiority_of_interval(Interval(-0.4, 2.0), 0.5) == "non_inferior"
    assert non_inferiority_of_interval(Interval(-0.6, 2.0), 0.5) == "inconclusive"
    assert non_inferiority_of_interval(Interval(-2.0, -0.6), 0.5) == "inferior"
    assert non_inferiority_of_interval(Interval(-2.0, 0.4), 0.5, lower_is_better=True) == "non_inferior"
    assert non_inferiority_of_interval(Interval(-2.0, 0.6), 0.5, lower_is_better=True) == "inconclusive"
    assert non_inferiority_of_interval(Interval(0.6, 2.0), 0.5, lower_is_better=True) == "inferior"
    assert non_inferiority_of_interval(Interval(math.nan, math.nan), 0.5) == "inconclusive"


@pytest.mark.parametrize(
    ("treatment", "control", "relative", "status"),
    [
        (Estimate(math.nan, math.nan, 0, "no_units"), Estimate(1.0, 0.1, 9), False, "no_units"),
        (Estimate(1.0, math.nan, 1, "too_few_units"), Estimate(1.0, 0.1, 9), True, "too_few_units"),
        (Estimate(1.0, 0.0, 9), Estimate(2.0, 0.0, 9), False, "no_variance"),
        (Estimate(math.inf, 0.1, 9), Estimate(2.0, 0.1, 9), False, "not_finite"),
        (Estimate(1.0, 0.1, 9), Estimate(0.0, 0.1, 9), True, "zero_baseline"),
        (Estimate(1.0, 0.1, 9), Estimate(-1.0, 0.1, 9), True, "negative_baseline"),
        # Its own interval holds 0: nothing can be relative to it.
        (Estimate(1.0, 0.1, 9), Estimate(0.1, 0.1, 9), True, "zero_baseline"),
    ],
)
def test_what_cannot_be_tested_has_a_status(
    treatment: Estimate, control: Estimate, relative: bool, status: str
) -> None:
    found = non_inferiority(treatment, control, 0.1, relative=relative)
    assert (found.status, found.verdict) == (status, "inconclusive")
    assert all(math.isnan(figure) for figure in (found.bound, found.pvalue, found.inferior_pvalue))


def test_an_absolute_margin_needs_no_baseline() -> None:
    found = non_inferiority(Estimate(-1.0, 0.001, 900), Estimate(-1.0, 0.001, 900), 0.5)
    assert (found.status, found.verdict) == ("ok", "non_inferior")
    assert non_inferiority(Estimate(0.0, 0.0, 10**9), Estimate(0.0, 1e-9, 10**9), 0.5).verdict == "non_inferior"


def test_what_is_not_allowed_is_refused() -> None:
    one = Estimate(1.0, 0.1, 9)
    for margin in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="must be above 0: the largest loss"):
            non_inferiority(one, one, margin)
    with pytest.raises(ConfigError, match=r"margin == 1.5, must be below 1"):
        non_inferiority(one, one, 1.5, relative=True)
    assert non_inferiority(one, one, 1.5, relative=True, lower_is_better=True).status == "ok"
    with pytest.raises(ConfigError, match="alpha == 1"):
        non_inferiority(one, one, 0.1, alpha=1)
    with pytest.raises(ConfigError, match="margin == 0"):
        non_inferiority_of_interval(Interval(0.0, 1.0), 0)


@pytest.mark.parametrize(
    ("effect", "se", "falls", "verdict"),
    [
        (0.0, 0.01, False, "non_inferior"),
        (-0.3, 0.05, False, "inferior"),
        (-0.05, 0.05, False, "inconclusive"),
        (0.0, 0.01, True, "non_inferior"),
        (0.3, 0.05, True, "inferior"),
        (-0.3, 0.05, True, "non_inferior"),
    ],
)
def test_a_comparison_s_relative_interval_is_held_against_the_margin(
    effect: float, se: float, falls: bool, verdict: str
) -> None:
    compared = sequential_comparison(Estimate(1 + effect, se**2, 4_000), Estimate(1.0, 1e-6, 4_000), n_star=5_000)
    found = non_inferiority_of_comparison(compared, 0.1, lower_is_better=falls)
    assert (found.verdict, found.status) == (verdict, "ok")
    assert found.bound == (compared.rel_ci_upper if falls else compared.rel_ci_lower)
    assert found.worst_allowed == (0.1 if falls else -0.1)


def test_without_a_relative_effect_nothing_is_shown() -> None:
    for compared, status in (
        (welch(Estimate(0.1, 1e-4, 90), Estimate(0.0, 1e-4, 90)), "zero_baseline"),
        (welch(Estimate(math.nan, math.nan, 0, "no_units"), Estimate(0.1, 1e-4, 90)), "no_units"),
    ):
        found = non_inferiority_of_comparison(compared, 0.1)
        assert (found.verdict, found.status, math.isnan(found.bound)) == ("inconclusive", status, True)
    with pytest.raises(ConfigError, match=r"margin == 1\.5, must be below 1"):
        non_inferiority_of_comparison(welch(Estimate(0.1, 1e-4, 90), Estimate(0.1, 1e-4, 90)), 1.5)
