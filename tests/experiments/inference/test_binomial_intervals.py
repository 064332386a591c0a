"""Intervals of shares against statsmodels, and how often they cover."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from core.errors import ConfigError, DataError
from experiments.inference.binomial_intervals import agresti_coull, clopper_pearson, jeffreys, newcombe, wilson
from experiments.looks.sequential import Interval

METHODS: dict[str, Callable[..., Interval]] = {
    "wilson": wilson,
    "agresti_coull": agresti_coull,
    "jeffreys": jeffreys,
    "beta": clopper_pearson,
}
COUNTED = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("hits", "n"), [(40, 100), (1, 9), (0, 12), (12, 12), (999, 10**6)])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_agrees_with_statsmodels(name: str, hits: int, n: int, alpha: float) -> None:
    expected = np.nan_to_num(proportion_confint(hits, n, alpha=alpha, method=name), nan=float(hits == n))
    assert tuple(METHODS[name](hits, n, alpha=alpha)) == pytest.approx(tuple(expected), abs=1e-12, rel=1e-9)


def test_wilson_of_the_reference_cases() -> None:
    assert tuple(wilson(40, 100)) == pytest.approx((0.30940128643245896, 0.49799741320893826), abs=1e-12)


@pytest.mark.parametrize("arms", [((56, 70), (48, 80)), ((9, 10), (3, 10)), ((10, 10), (0, 20)), ((5, 56), (0, 29))])
def test_newcombe_agrees_with_statsmodels(arms: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (one, n), (two, m) = arms
    expected = confint_proportions_2indep(one, n, two, m, method="newcomb", compare="diff")
    assert tuple(newcombe(*arms)) == pytest.approx(expected, abs=1e-12)


@given(COUNTED, st.floats(0.001, 0.5))
def test_what_holds_for_any_share(counted: tuple[int, int], alpha: float) -> None:
    hits, n = counted
    for name, method in METHODS.items():
        lower, upper = method(hits, n, alpha=alpha)
        assert 0 <= lower <= upper <= 1
        # Jeffreys' takes the median of nobody's share for more than 0.
        if name != "jeffreys":
            assert lower - 1e-12 <= hits / n <= upper + 1e-12
        turned = method(n - hits, n, alpha=alpha)
        assert tuple(turned) == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


@given(COUNTED, COUNTED)
def test_newcombe_turns_its_sign_with_the_arms(one: tuple[int, int], two: tuple[int, int]) -> None:
    lower, upper = newcombe(one, two)
    assert -1 <= lower <= one[0] / one[1] - two[0] / two[1] <= upper <= 1
    assert tuple(newcombe(two, one)) == pytest.approx((-upper, -lower))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("n", [30, 200])
def test_clopper_pearson_always_covers_and_wilson_on_average(share: float, n: int) -> None:
    hits = np.arange(n + 1)
    chance = stats.binom.pmf(hits, n, share)

    def coverage(method: Callable[..., Interval]) -> float:
        held = [lower <= share <= upper for lower, upper in (method(int(count), n) for count in hits)]
        return float(chance @ held)

    assert coverage(clopper_pearson) >= 0.95
    # An exact sum, not a simulation: it jumps about .95, as Brown, Cai & DasGupta show.
    assert coverage(wilson) == pytest.approx(0.95, abs=0.04)
    assert coverage(jeffreys) == pytest.approx(0.95, abs=0.04)


def test_a_billion_units() -> None:
    for method in METHODS.values():
        lower, upper = method(5 * 10**8, 10**9)
        assert upper - lower == pytest.approx(2 * 1.959964 * 0.5 / math.sqrt(1e9), rel=1e-4)


def test_no_units_have_no_interval() -> None:
    assert all(math.isnan(end) for method in METHODS.values() for end in method(0, 0))
    assert all(math.isnan(end) for end in newcombe((1, 2), (0, 0)))


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(DataError, match="3 successes in 2 units"):
        wilson(3, 2)
    with pytest.raises(DataError, match="0 successes in -1 units"):
        newcombe((1, 2), (0, -1))
    with pytest.raises(ConfigError, match=r"alpha == 1.2, must be above 0 and below 1"):
        jeffreys(1, 2, alpha=1.2)
