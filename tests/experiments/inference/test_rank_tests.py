"""Mann-Whitney and Brunner-Munzel against scipy; intervals that cover; what cannot be ranked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from experiments.inference.comparison import ALTERNATIVES, Alternative
from experiments.inference.rank_tests import brunner_munzel, mann_whitney
from experiments.inference.value_counts import ValueCounts

SMALL = st.lists(st.integers(0, 5), min_size=2, max_size=15)


def counted(rows: object) -> ValueCounts:
    return ValueCounts.from_rows(rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("sizes", [(1, 4), (4, 3), (7, 12), (20, 20), (30, 30)])
def test_exact_agrees_with_scipy(alternative: Alternative, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    one, two = rng.normal(0.4, 1.0, sizes[0]), rng.normal(0.0, 1.0, sizes[1])
    found = mann_whitney(counted(one), counted(two), alternative=alternative)
    expected = stats.mannwhitneyu(one, two, alternative=alternative, method="exact")
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("correction", [False, True])
def test_the_normal_approximation_with_ties_agrees_with_scipy(alternative: Alternative, correction: bool) -> None:
    rng = np.random.default_rng(3)
    one, two = rng.poisson(2.0, 60), rng.poisson(2.4, 45)
    found = mann_whitney(counted(one), counted(two), alternative=alternative, correction=correction)
    expected = stats.mannwhitneyu(one, two, alternative=alternative, method="asymptotic", use_continuity=correction)
    assert (found.statistic, found.pvalue) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    # Few units without ties are approximated only on request.
    few = counted([1.0, 2.5, 3.0]), counted([2.0, 4.0, 5.0, 6.0])
    expected = stats.mannwhitneyu([1.0, 2.5, 3.0], [2.0, 4.0, 5.0, 6.0], method="asymptotic")
    assert mann_whitney(*few, method="normal").pvalue == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_brunner_munzel_agrees_with_scipy(alternative: Alternative) -> None:
    rng = np.random.default_rng(4)
    one, two = rng.poisson(2.0, 60), rng.poisson(2.9, 35)
    found = brunner_munzel(counted(one), counted(two), alternative=alternative)
    # scipy's statistic is above 0 where the second sample is the larger one.
    expected = stats.brunnermunzel(one, two, alternative=alternative)
    assert (-found.statistic, found.pvalue) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_tables_give_what_rows_give() -> None:
    rows = [1.0, 1.0, 2.0, 5.0], [1.0, 3.0, 3.0]
    tables = ValueCounts.from_table([5, 2, 1], [1, 1, 2]), ValueCounts.from_table([3, 1], [2, 1])
    assert mann_whitney(*tables) == mann_whitney(counted(rows[0]), counted(rows[1]))
    # P(larger) 4 of 12, equal 2 of 12.
    assert brunner_munzel(*tables).effect_size == pytest.approx((4 + 1) / 12)


@given(SMALL, SMALL)
def test_what_holds_for_any_arms(first: list[int], second: list[int]) -> None:
    one, two = counted(first), counted(second)
    found, swapped = mann_whitney(one, two), mann_whitney(two, one)
    effect = np.mean([[(a > b) + 0.5 * (a == b) for b in second] for a in first])
    assert found.effect_size == pytest.approx(effect)
    assert swapped.effect_size == pytest.approx(1 - effect)
    # Any rising change of unit is none.
    grown = mann_whitney(counted(np.exp(first)), counted(np.exp(second)))
    assert grown[:5] == pytest.approx(found[:5], nan_ok=True)
    if found.status == "ok":
        assert 0 <= found.pvalue <= 1
        assert swapped.pvalue == pytest.approx(found.pvalue)
        assert 0 <= found.ci_lower <= found.effect_size <= found.ci_upper <= 1
        assert (swapped.ci_lower, swapped.ci_upper) == pytest.approx((1 - found.ci_upper, 1 - found.ci_lower))


def test_the_interval_covers_and_the_tests_err_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    runs, held, wrong = 1500, 0, 0
    # X - Y is normal with mean .5 and variance 1 + 4: P(X > Y) = Φ(.5 / √5).
    truth = stats.norm.cdf(0.5 / math.sqrt(5))
    for _ in range(runs):
        one, two = rng.normal(0.5, 1.0, 40), rng.normal(0.0, 2.0, 30)
        found = brunner_munzel(counted(one), counted(two), alpha=0.1)
        held += found.ci_lower <= truth <= found.ci_upper
        null = rng.poisson(3.0, 70)
        wrong += mann_whitney(counted(null[:40]), counted(null[40:])).pvalue < 0.05
    assert held / runs == pytest.approx(0.9, abs=0.01 + 3 * math.sqrt(0.09 / runs))
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert wrong / runs >= 0.05 - 0.01 - 3 * math.sqrt(0.05 * 0.95 / runs)


def test_one_sided_intervals_have_one_end() -> None:
    one, two = counted([3.0, 5.0, 6.0, 9.0]), counted([1.0, 2.0, 4.0])
    greater, less = (brunner_munzel(one, two, alternative=side) for side in ("greater", "less"))
    assert greater.ci_upper == 1.0
    assert less.ci_lower == 0.0
    assert greater.ci_lower == pytest.approx(brunner_munzel(one, two, alpha=0.1).ci_lower)


def test_a_billion_units_in_a_table() -> None:
    one = ValueCounts.from_table([1, 2, 3], [3 * 10**8, 4 * 10**8, 3 * 10**8 + 10**5])
    two = ValueCounts.from_table([1, 2, 3], [3 * 10**8, 4 * 10**8, 3 * 10**8])
    found = mann_whitney(one, two)
    assert found.status == "ok"
    assert 0.5 < found.ci_lower < found.effect_size < found.ci_upper
    assert found.pvalue == pytest.approx(brunner_munzel(one, two).pvalue, rel=1e-3)
    sd = math.sqrt((1 - 0.3**3 - 0.4**3 - 0.3**3) / 12 * 2e-9)
    assert (found.effect_size - 0.5) / sd == pytest.approx(stats.norm.isf(found.pvalue / 2), rel=1e-2)


def test_what_cannot_be_ranked_has_a_status() -> None:
    some = counted([1.0, 2.0, 3.0])
    assert mann_whitney(ValueCounts.empty(), some).status == "no_units"
    assert brunner_munzel(some, ValueCounts.empty()).status == "no_units"
    same = mann_whitney(counted([2.0] * 4), counted([2.0] * 3))
    assert (same.status, same.effect_size) == ("no_variance", 0.5)
    assert math.isnan(same.pvalue)
    apart = mann_whitney(counted([7.0, 8.0, 9.0]), some)
    assert (apart.status, apart.effect_size) == ("no_variance", 1.0)
    assert apart.pvalue == pytest.approx(0.1)
    assert math.isnan(apart.ci_lower)
    single = mann_whitney(counted([2.5]), some)
    assert (single.status, single.effect_size) == ("too_few_units", pytest.approx(2 / 3))
    assert 0 < single.pvalue <= 1


def test_what_is_not_allowed_is_refused() -> None:
    tied = counted([1.0, 1.0, 2.0])
    with pytest.raises(ConfigError, match="method == 'exact' with 6 units, 4 of them tied"):
        mann_whitney(tied, tied, method="exact")
    with pytest.raises(ConfigError, match="method == 'fast', must be one of auto, exact, normal"):
        mann_whitney(tied, tied, method="fast")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="alpha == 0"):
        brunner_munzel(tied, tied, alpha=0)
