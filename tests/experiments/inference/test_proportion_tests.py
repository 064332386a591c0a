"""Chi-squared, pooled z and Fisher's test against scipy and statsmodels; what cannot be tested."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

from core.errors import ConfigError, DataError
from experiments.inference.comparison import ALTERNATIVES, Alternative
from experiments.inference.proportion_tests import chi_squared_test, fisher_exact_test, pooled_z_test

_LARGER = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}
ARMS = [((8, 10), (1, 6)), ((3, 500), (12, 480)), ((55, 100), (40, 100)), ((7, 7), (2, 9)), ((400, 9000), (460, 9100))]
ARM = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def table_of(*arms: tuple[int, int]) -> np.ndarray:
    return np.array([[hits, n - hits] for hits, n in arms])


@pytest.mark.parametrize("arms", [*ARMS, ((10, 50), (20, 60), (15, 40)), ((1, 9), (5, 9), (2, 9), (8, 9))])
@pytest.mark.parametrize("correction", [False, True])
def test_chi_squared_agrees_with_scipy(arms: tuple[tuple[int, int], ...], correction: bool) -> None:
    if correction and len(arms) > 2:
        return
    found = chi_squared_test([hits for hits, _ in arms], [n for _, n in arms], correction=correction)
    expected = stats.chi2_contingency(table_of(*arms), correction=correction)
    assert (found.statistic, found.df, found.pvalue) == pytest.approx(
        (expected.statistic, expected.dof, expected.pvalue), rel=1e-10
    )


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_fisher_agrees_with_scipy(arms: tuple[tuple[int, int], tuple[int, int]], alternative: Alternative) -> None:
    found = fisher_exact_test(*arms, alternative=alternative)
    expected = stats.fisher_exact(table_of(*arms), alternative=alternative)
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.statistic == pytest.approx(expected.statistic)


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_pooled_z_agrees_with_statsmodels(
    arms: tuple[tuple[int, int], tuple[int, int]], alternative: Alternative
) -> None:
    found = pooled_z_test(*arms, alternative=alternative)
    hits, n = zip(*arms, strict=True)
    expected = proportions_ztest(np.array(hits), np.array(n), alternative=_LARGER[alternative])
    assert (found.statistic, found.pvalue) == pytest.approx(expected, rel=1e-10)


@given(ARM, ARM)
def test_what_holds_for_any_two_arms(one: tuple[int, int], two: tuple[int, int]) -> None:
    z, fisher = pooled_z_test(one, two), fisher_exact_test(one, two)
    swapped = pooled_z_test(two, one)
    chi2 = chi_squared_test([one[0], two[0]], [one[1], two[1]])
    if z.status != "ok":
        assert {z.status, fisher.status, chi2.status} == {"no_variance"}
        assert one[0] + two[0] in (0, one[1] + two[1])
        return
    assert 0 <= z.pvalue <= 1
    assert 0 <= fisher.pvalue <= 1
    assert (swapped.statistic, swapped.pvalue) == pytest.approx((-z.statistic, z.pvalue))
    assert fisher_exact_test(two, one).pvalue == pytest.approx(fisher.pvalue, rel=1e-6)
    assert chi2.statistic == pytest.approx(z.statistic**2, abs=1e-9)
    assert chi2.pvalue == pytest.approx(z.pvalue, abs=1e-9)
    # Of successes or of failures: the same question.
    turned = fisher_exact_test((one[1] - one[0], one[1]), (two[1] - two[0], two[1]))
    assert turned.pvalue == pytest.approx(fisher.pvalue, rel=1e-6)
    greater, less = (fisher_exact_test(one, two, alternative=side).pvalue for side in ("greater", "less"))
    assert greater + less >= 1 - 1e-9


def test_fisher_never_errs_more_often_than_it_says() -> None:
    # The whole distribution under one share of .2, not a simulation of it.
    n, m, share = 12, 9, 0.2
    wrong = sum(
        stats.binom.pmf(one, n, share) * stats.binom.pmf(two, m, share)
        for one in range(n + 1)
        for two in range(m + 1)
        if fisher_exact_test((one, n), (two, m)).pvalue <= 0.05
    )
    assert 0 < wrong <= 0.05


def test_a_billion_units_and_rare_successes() -> None:
    found = fisher_exact_test((500_000_000, 10**9), (500_060_000, 10**9))
    z = pooled_z_test((500_000_000, 10**9), (500_060_000, 10**9))
    assert found.pvalue == pytest.approx(z.pvalue, rel=1e-3)
    # Given 12 successes in equal arms each is a toss of a coin.
    assert fisher_exact_test((11, 10**9), (1, 10**9)).pvalue == pytest.approx(26 / 2**12, rel=1e-6)
    assert fisher_exact_test((10**9, 10**9), (0, 10**9)).pvalue == 0.0
    assert fisher_exact_test((10**9, 10**9), (0, 10**9), alternative="less").pvalue == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("one", "two", "status"),
    [((0, 0), (1, 2), "no_units"), ((0, 5), (0, 7), "no_variance"), ((5, 5), (7, 7), "no_variance")],
)
def test_what_cannot_be_tested_has_a_status(one: tuple[int, int], two: tuple[int, int], status: str) -> None:
    for found in (
        chi_squared_test([one[0], two[0]], [one[1], two[1]]),
        fisher_exact_test(one, two),
        pooled_z_test(one, two),
    ):
        assert found.status == status
        assert all(math.isnan(figure) for figure in found[:3])


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(DataError, match="6 successes in 5 units"):
        pooled_z_test((6, 5), (1, 2))
    with pytest.raises(DataError, match="-1 successes in 5 units"):
        fisher_exact_test((1, 2), (-1, 5))
    with pytest.raises(DataError, match="3 successes and 2 units"):
        chi_squared_test([1, 2, 3], [4, 5])
    with pytest.raises(DataError, match="1 successes and 1 units"):
        chi_squared_test([1], [4])
    with pytest.raises(ConfigError, match="correction == True with 3 arms"):
        chi_squared_test([1, 2, 3], [4, 5, 6], correction=True)
    with pytest.raises(ConfigError, match="alternative == 'larger'"):
        pooled_z_test((1, 2), (1, 2), alternative="larger")  # type: ignore[arg-type]
