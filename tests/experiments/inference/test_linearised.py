"""Ratios as means: the same value and variance, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.inference.estimates import mean_estimate, ratio_estimate
from experiments.inference.linearised import linearised
from experiments.inference.moments import Moments

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 9)), min_size=2, max_size=20)


@given(ROWS)
def test_the_mean_of_a_linearised_ratio_is_the_ratio(rows: list[tuple[int, int, int]]) -> None:
    moments = Moments.from_rows(np.array(rows, float))
    one, two = mean_estimate(linearised(moments, [(0, 1)])), ratio_estimate(moments)
    assert (one.value, one.variance, one.n) == pytest.approx((two.value, two.variance, two.n), abs=1e-12)


@given(ROWS)
def test_agrees_with_the_rows_linearised_one_by_one(rows: list[tuple[int, int, int]]) -> None:
    m, d, x = np.array(rows, float).T
    expected = Moments.from_rows(np.stack([m.mean() / d.mean() + (m - m.mean() / d.mean() * d) / d.mean(), x], axis=1))
    found = linearised(Moments.from_rows(np.array(rows, float)), [(0, 1), (2, None)])
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-9)
    np.testing.assert_allclose(found.cross, expected.cross, atol=1e-9)


def test_a_number_over_itself_is_1_and_does_not_vary() -> None:
    found = linearised(Moments.from_rows([[1.0, 5.0], [2.0, 6.0]]), [(0, 0), (1, None)])
    assert found.mean.tolist() == [1.0, 5.5]
    assert found.cross[0].tolist() == [0.0, 0.0]


def test_no_units_and_denominators_of_nothing() -> None:
    assert linearised(Moments.empty(2), [(0, 1)]).n == 0
    undefined = linearised(Moments.from_rows([[1.0, 0.0, 3.0], [2.0, 0.0, 4.0]]), [(2, None), (0, 1)])
    assert undefined.mean[0] == 3.5
    assert np.isnan(undefined.mean[1])
    assert np.isnan(undefined.cross[1, 1])


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="must lie in 0 … 1"):
        linearised(Moments.empty(2), [(0, 2)])


def test_infinite_moments_stay_so_without_a_warning() -> None:
    cross = np.eye(3) + np.diag([0.0, 0.0, np.inf])
    found = linearised(Moments(5, np.array([1.0, 2.0, np.inf]), cross), [(0, 1), (2, None)])
    assert not np.isfinite(found.cross).all()
