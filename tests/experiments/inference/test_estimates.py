"""Means, shares and ratios with their variances, by hand and in simulation, and the statuses of what is undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError
from experiments.inference.estimates import mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.moments import Moments


def test_mean_and_share_by_hand() -> None:
    rows = np.random.default_rng(0).exponential(size=30)
    found = mean_estimate(Moments.from_rows(rows))
    assert found.value == pytest.approx(rows.mean())
    assert found.variance == pytest.approx(rows.var(ddof=1) / 30)
    assert proportion_estimate(10, 3).variance == pytest.approx(0.021)


def test_the_ratio_s_variance_is_what_repeated_samples_have() -> None:
    rng = np.random.default_rng(1)
    views = rng.poisson(4, size=(4000, 200)) + 1
    rate = rng.beta(2, 8, size=views.shape)
    clicks = rng.binomial(views, rate)
    ratios = clicks.sum(axis=1) / views.sum(axis=1)
    foretold = [ratio_estimate(Moments.from_rows(np.column_stack(rows))).variance for rows in zip(clicks, views)]  # noqa: B905
    # 4,000 samples tell a variance to 2.2 % (one standard error).
    assert np.mean(foretold) == pytest.approx(ratios.var(ddof=1), rel=0.08)
    # Taking views for independent would make it a third smaller.
    pooled = ratios.mean() * (1 - ratios.mean()) / views.sum(axis=1).mean()
    assert pooled < 0.75 * ratios.var(ddof=1)


def test_units_that_all_have_the_same_ratio_do_not_vary() -> None:
    found = ratio_estimate(Moments.from_rows([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]))
    assert (found.value, found.status) == (0.5, "ok")
    assert found.variance == pytest.approx(0, abs=1e-15)
    assert found.variance >= 0


def test_undefined_estimates_are_typed() -> None:
    assert mean_estimate(Moments.empty()).status == "no_units"
    assert proportion_estimate(0, 0).status == "no_units"
    assert ratio_estimate(Moments.empty(2)).status == "no_units"
    one = mean_estimate(Moments.from_rows([3.0]))
    assert (one.value, one.status) == (3.0, "too_few_units")
    assert math.isnan(one.variance)
    nothing = ratio_estimate(Moments.from_rows([[1.0, 1.0], [1.0, -1.0]]))
    assert (nothing.status, math.isnan(nothing.value)) == ("undefined_ratio", True)
    huge = mean_estimate(Moments(3, np.array([math.inf]), np.array([[1.0]])))
    assert huge.status == "not_finite"
    assert mean_estimate(Moments(10**9, np.array([2.0]), np.array([[1e9]]))).variance == pytest.approx(1e-9)


@pytest.mark.parametrize(("n", "successes"), [(3, 4), (3, -1), (-1, 0)])
def test_more_successes_than_units_are_refused(n: int, successes: int) -> None:
    with pytest.raises(DataError, match="successes must lie in 0"):
        proportion_estimate(n, successes)


@pytest.mark.parametrize(
    ("rows", "value", "variance", "status"),
    [
        # Squares of these are more, or less, than a float holds.
        ([[1.0, 1e-170], [2.0, 1e-170]], 1.5e170, math.nan, "not_finite"),
        ([[1e200, 1.0], [2e200, 1.0]], 1.5e200, math.nan, "not_finite"),
        ([[1e-100, 1e-170], [3e-100, 1e-170]], 2e70, 1e140, "ok"),
        ([[1e120, 1e180], [3e120, 1e180]], 2e-60, 1e-120, "ok"),
    ],
)
def test_ratios_of_the_smallest_and_largest_numbers(
    rows: list[list[float]], value: float, variance: float, status: str
) -> None:
    found = ratio_estimate(Moments.from_rows(rows))
    assert found.value == pytest.approx(value)
    assert found.variance == pytest.approx(variance, nan_ok=True)
    assert found.status == status
