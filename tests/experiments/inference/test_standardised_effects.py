"""Cohen's d and h, Hedges' g: against statsmodels and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.proportion import proportion_effectsize

from core.errors import ConfigError, DataError
from experiments.inference.moments import Moments
from experiments.inference.standardised_effects import cohens_d, cohens_h, hedges_g

ROWS = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=2, max_size=10)


def test_d_and_g_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(1.0, 2.0, 40), rng.normal(0.0, 1.5, 30)
    arms = Moments.from_rows(one), Moments.from_rows(two)
    smd, _ = effectsize_smd(one.mean(), one.std(ddof=1), 40, two.mean(), two.std(ddof=1), 30)
    pooled = math.sqrt((39 * one.var(ddof=1) + 29 * two.var(ddof=1)) / 68)
    assert cohens_d(*arms).value == pytest.approx((one.mean() - two.mean()) / pooled)
    # statsmodels approximates the correction by 1 - 3 / (4 N - 9).
    assert hedges_g(*arms).value == pytest.approx(float(smd), rel=1e-5)
    assert cohens_d(*arms).se == pytest.approx(math.sqrt(1 / 40 + 1 / 30 + cohens_d(*arms).value ** 2 / 140))


def test_h_agrees_with_statsmodels() -> None:
    found = cohens_h((55, 100), (40, 200))
    assert found.value == pytest.approx(proportion_effectsize(0.55, 0.2))
    assert (found.ci_upper - found.ci_lower) / 2 == pytest.approx(1.959964 * math.sqrt(0.015), rel=1e-6)


@given(ROWS, ROWS, st.floats(0.01, 100))
def test_what_holds_for_any_arms(first: list[float], second: list[float], scale: float) -> None:
    one, two = Moments.from_rows(first), Moments.from_rows(second)
    found, swapped = cohens_d(one, two), cohens_d(two, one)
    scaled = cohens_d(Moments.from_rows(np.array(first) * scale), Moments.from_rows(np.array(second) * scale))
    assert found.status == scaled.status == swapped.status
    if found.status == "ok":
        assert found.ci_lower <= found.value <= found.ci_upper
        assert swapped.value == pytest.approx(-found.value)
        assert scaled.value == pytest.approx(found.value, rel=1e-6)
        assert abs(hedges_g(one, two).value) <= abs(found.value)


def test_the_intervals_cover() -> None:
    rng = np.random.default_rng(1)
    runs = 1000
    held = {"d": 0, "h": 0}
    h = 2 * math.asin(math.sqrt(0.3)) - 2 * math.asin(math.sqrt(0.2))
    for _ in range(runs):
        found = hedges_g(Moments.from_rows(rng.normal(0.5, 1, 40)), Moments.from_rows(rng.normal(0, 1, 50)))
        held["d"] += found.ci_lower <= 0.5 <= found.ci_upper
        shares = cohens_h((int(rng.binomial(200, 0.3)), 200), (int(rng.binomial(200, 0.2)), 200))
        held["h"] += shares.ci_lower <= h <= shares.ci_upper
    for count in held.values():
        assert count / runs == pytest.approx(0.95, abs=3 * math.sqrt(0.0475 / runs))


def test_g_at_a_billion_units_is_d() -> None:
    arms = Moments(10**9, np.array([1.0]), np.array([[1e9]])), Moments(10**9, np.array([0.9]), np.array([[1e9]]))
    assert hedges_g(*arms).value == pytest.approx(cohens_d(*arms).value, rel=1e-8)


def test_what_cannot_be_standardised_has_a_status() -> None:
    some = Moments.from_rows([1.0, 2.0])
    broken = Moments(3, np.array([math.nan]), np.array([[1.0]]))
    for found, status in [
        (cohens_d(Moments.empty(), some), "no_units"),
        (hedges_g(Moments.from_rows([1.0]), Moments.from_rows([2.0])), "too_few_units"),
        (hedges_g(Moments.from_rows([1.0]), some), "too_few_units"),
        (cohens_d(Moments.from_rows([1.0, 1.0]), Moments.from_rows([2.0, 2.0])), "no_variance"),
        (cohens_d(broken, some), "not_finite"),
        (cohens_h((0, 0), (1, 2)), "no_units"),
    ]:
        assert found.status == status
        assert all(math.isnan(figure) for figure in found[:4])


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha == 2"):
        cohens_d(Moments.empty(), Moments.empty(), alpha=2)
    with pytest.raises(DataError, match="3 successes in 2 units"):
        cohens_h((3, 2), (1, 2))
