"""Moments of units: merging, sums of other tools, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.inference.estimates import mean_estimate
from experiments.inference.moments import Moments

TABLES = st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=0, max_size=20)


@given(TABLES, TABLES)
def test_merged_is_the_whole(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    one, two = (Moments.from_rows(np.array(rows).reshape(-1, 2)) for rows in (first, second))
    merged, whole = one.merge(two), Moments.from_rows(np.array(first + second).reshape(-1, 2))
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(merged.cross, whole.cross, rtol=1e-9, atol=1e-2)


def test_agrees_with_numpy() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3))
    moments = Moments.from_rows(rows)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T))
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0))
    chosen = moments.column(2, 0)
    np.testing.assert_allclose(chosen.covariance, np.cov(rows[:, [2, 0]].T))
    assert (moments.size, chosen.size) == (3, 2)


def test_sums_of_other_tools_give_the_same() -> None:
    rows = np.random.default_rng(1).normal(3.0, 2.0, size=(40, 2))
    summed = Moments.from_sums(40, rows.sum(axis=0).tolist(), rows.T @ rows)
    np.testing.assert_allclose(summed.cross, Moments.from_rows(rows).cross, rtol=1e-10)


def test_a_billion_large_numbers_keep_their_variance() -> None:
    part = Moments.from_rows(1e9 + np.random.default_rng(2).normal(size=1000))
    whole = part
    for _ in range(20):
        whole = whole.merge(whole)
    assert whole.n == 1000 * 2**20
    assert whole.covariance[0, 0] == pytest.approx(part.cross[0, 0] / 1000, rel=1e-6)


def test_what_rounding_made_of_a_constant_is_nothing() -> None:
    constant = Moments.from_sums(10, [1.0], [[0.1]])
    assert constant.cross.tolist() == [[0.0]]
    # 0.1 is no binary fraction: the plain difference would be 1.4e-17.
    assert Moments.from_sums(3, [3 * 0.1], [[3 * 0.1 * 0.1]]).cross.tolist() == [[0.0]]


def test_no_units_and_one() -> None:
    assert np.isnan(Moments.empty(2).mean).all()
    one = Moments.from_rows([5.0])
    assert np.isnan(one.covariance).all()
    assert Moments.empty().merge(one) is one
    assert one.merge(Moments.empty()) is one
    assert Moments.from_sums(0, [0.0], [[0.0]]).n == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="2 of 3 units have a number that is not finite"):
        Moments.from_rows([1.0, float("nan"), float("inf")])
    with pytest.raises(DataError, match="must be \\(n,\\) or \\(n, p\\)"):
        Moments.from_rows(np.zeros((1, 1, 1)))
    with pytest.raises(DataError, match="cannot merge moments of 1 and 2 numbers"):
        Moments.empty(1).merge(Moments.empty(2))
    with pytest.raises(DataError, match="too small for n == 2"):
        Moments.from_sums(2, [10.0], [[1.0]])
    with pytest.raises(DataError, match="n == -1, must be >= 0"):
        Moments.from_sums(-1, [0.0], [[0.0]])
    with pytest.raises(DataError, match="must be \\(p,\\) and \\(p, p\\)"):
        Moments.from_sums(1, [0.0, 1.0], [[0.0]])


def test_what_a_float_does_not_hold_is_infinite_without_a_warning() -> None:
    huge = Moments.from_rows([1e308, 1.5e308])
    assert mean_estimate(huge).status == "not_finite"
    spread = Moments.from_rows([-1e200, 1e200])
    assert spread.cross[0, 0] == np.inf
    assert mean_estimate(spread).status == mean_estimate(spread.merge(huge)).status == "not_finite"
    with pytest.raises(DataError, match="too small"):
        Moments.from_sums(3, [1e200], [[1e300]])
