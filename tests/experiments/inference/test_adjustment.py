"""Least squares slopes from moments, what varies, and what is only rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.inference.adjustment import (
    adjustment_note,
    reduction,
    regression_slopes,
    residual_cross,
    unadjusted,
    varying,
)
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.moments import Moments


def test_slopes_are_those_of_least_squares_whatever_the_scales() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * [1.0, 1e6, 1e-6] + [0.0, 1e9, 5.0]
    y = x @ [1.0, 2e-6, 3e6] + rng.normal(size=200)
    moments = Moments.from_rows(np.column_stack([y, x]))
    slopes, used = regression_slopes(moments.cross, varying(moments))
    expected, *_ = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)
    np.testing.assert_allclose(slopes, expected, rtol=1e-6)
    assert used == 3


def test_covariates_that_determine_each_other_count_once() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)
    y = 2 * x + rng.normal(size=100)
    moments = Moments.from_rows(np.column_stack([y, x, 3 * x, np.full(100, 0.1)]))
    slopes, used = regression_slopes(moments.cross, varying(moments))
    alone, _ = regression_slopes(moments.column(0, 1).cross, varying(moments.column(0, 1)))
    assert used == 1
    assert slopes[2] == 0
    assert residual_cross(moments.cross, slopes) == pytest.approx(residual_cross(moments.column(0, 1).cross, alone))


def test_what_rounding_leaves_is_nothing() -> None:
    moments = Moments.from_rows([[0.1, 0.3], [0.2, 0.6], [0.7, 2.1]])
    slopes, _ = regression_slopes(moments.cross, varying(moments))
    assert residual_cross(moments.cross, slopes) == 0.0
    assert not varying(Moments.from_rows([[1.0, 0.1]] * 7)).any()
    # A billionth of the mean is no rounding.
    assert varying(Moments.from_rows([[1.0, 1e9], [1.0, 1e9 + 1], [1.0, 1e9 + 2]])).all()


def test_notes() -> None:
    some = Moments.from_rows([[1.0, 2.0], [2.0, 4.0]])
    plain = mean_estimate(some)
    broken = Moments(2, np.array([1.0, math.nan]), some.cross)
    constant = Moments.from_rows([[1.0, 2.0], [2.0, 2.0]])
    nobody = Estimate(math.nan, math.nan, 0, "no_units")
    single = Estimate(1.0, math.nan, 1, "too_few_units")
    assert adjustment_note(some, some, (plain, plain)) == "adjusted"
    assert adjustment_note(some, constant, (plain, plain)) == "adjusted"
    assert adjustment_note(constant, constant, (plain, plain)) == "covariate_no_variance"
    assert adjustment_note(some, broken, (plain, plain)) == "covariate_not_finite"
    assert adjustment_note(some.column(0), some.column(0), (plain, plain)) == "no_covariate"
    assert adjustment_note(some, some, (plain, nobody)) == "no_estimate"
    assert adjustment_note(some, some, (single, plain)) == "too_few_units"


def test_a_reduction_of_no_variance_is_no_number() -> None:
    still = Estimate(1.0, 0.0, 9)
    assert math.isnan(reduction(still, still, (still, still)))
    assert math.isnan(unadjusted(still, still, "no_covariate").variance_reduction)
    assert reduction(Estimate(1.0, 0.1, 9), still, (Estimate(1.0, 0.3, 9), Estimate(1.0, 0.1, 9))) == pytest.approx(
        0.75
    )
