"""Standard errors and intervals from influences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from experiments.off_policy.influence import clustered_se, mean_and_se, t_interval
from experiments.off_policy.logged_bandit import LoggedBandit


def log_of(n: int, unit: np.ndarray | None = None) -> LoggedBandit:
    return LoggedBandit(np.zeros(n, int), np.zeros(n), np.ones(n), unit=unit)


def test_a_unit_a_row_is_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(size=50)
    mean, se = mean_and_se(values, log_of(50))
    assert mean == pytest.approx(values.mean())
    assert se == pytest.approx(stats.sem(values))


def test_units_agree_with_statsmodels_clustered_covariance() -> None:
    rng = np.random.default_rng(2)
    unit = rng.integers(0, 20, 200)
    values = rng.normal(size=200) + unit
    fitted = sm.OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": unit})
    # Its own correction for few groups has a further n - 1 over n - p, which is 1 for one parameter.
    assert mean_and_se(values, log_of(200, unit))[1] == pytest.approx(fitted.bse[0], rel=1e-9)


def test_one_unit_has_no_standard_error() -> None:
    assert math.isnan(clustered_se(np.array([1.0, -1.0]), log_of(2, np.zeros(2, int))))
    assert math.isnan(clustered_se(np.zeros(1), log_of(1)))


def test_the_t_interval_is_the_t_tests() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 40)
    mean, se = mean_and_se(values, log_of(40))
    found, tested = t_interval(mean, se, 40, 0.1), stats.ttest_1samp(values, 0)
    assert found[:2] == pytest.approx(tuple(tested.confidence_interval(0.9)))
    assert found.pvalue == pytest.approx(tested.pvalue)


@pytest.mark.parametrize(("value", "se"), [(0.1, 0.0), (0.1, math.nan), (math.nan, 0.1), (0.1, math.inf)])
def test_no_interval_without_a_standard_error(value: float, se: float) -> None:
    assert all(math.isnan(figure) for figure in t_interval(value, se, 10, 0.05))
