"""Lin's regression adjustment from moments against statsmodels on rows, and its false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from core.errors import DataError
from experiments.inference.comparison import difference
from experiments.inference.estimates import mean_estimate
from experiments.inference.frequentist import welch
from experiments.inference.linearised import linearised
from experiments.inference.moments import Moments
from experiments.inference.regression_adjustment import regression_adjusted


def drawn(
    rng: np.random.Generator, n: int, slopes: tuple[float, float], effect: float = 0.0, noise: float = 1.0
) -> np.ndarray:
    x = np.column_stack([rng.normal(3.0, 1.0, n), rng.exponential(1.0, n)])
    y = 1.0 + effect + (x - [3.0, 1.0]) @ slopes + rng.normal(0.0, noise, n)
    return np.column_stack([y, x])


def lin_on_rows(one: np.ndarray, two: np.ndarray, kind: str) -> tuple[float, float]:
    """Effect and standard error of the interacted regression."""
    rows = np.concatenate([one, two])
    treated = np.repeat([1.0, 0.0], [len(one), len(two)])
    x = rows[:, 1:] - rows[:, 1:].mean(axis=0)
    design = np.column_stack([np.ones(len(rows)), treated, x, treated[:, np.newaxis] * x])
    fitted = sm.OLS(rows[:, 0], design).fit(cov_type=kind)
    return float(fitted.params[1]), float(fitted.bse[1])


@pytest.mark.parametrize("sizes", [(40, 60), (800, 500)])
def test_the_effect_is_lins_and_the_error_close_to_whites(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    one, two = drawn(rng, sizes[0], (1.0, 0.5), 0.3), drawn(rng, sizes[1], (1.0, 0.5), noise=2.0)
    found = regression_adjusted(Moments.from_rows(one), Moments.from_rows(two))
    effect, se = lin_on_rows(one, two, "HC2")
    assert found.treatment.value - found.control.value == pytest.approx(effect, rel=1e-9)
    assert difference(found.treatment, found.control).se == pytest.approx(se, rel=0.25 if sizes[0] < 100 else 0.03)


def test_each_arm_is_the_prediction_of_its_own_regression_at_the_common_mean() -> None:
    rng = np.random.default_rng(1)
    one, two = drawn(rng, 30, (1.0, 0.5)), drawn(rng, 20, (0.8, 0.1))
    found = regression_adjusted(Moments.from_rows(one), Moments.from_rows(two))
    middle = np.concatenate([one, two])[:, 1:].mean(axis=0)
    apart = np.array(found.treatment_slopes) - found.control_slopes
    x = np.concatenate([one[:, 1:] - one[:, 1:].mean(axis=0), two[:, 1:] - two[:, 1:].mean(axis=0)])
    shared = apart @ (x.T @ x / 48) @ apart / 50 / 2
    for rows, arm in ((one, found.treatment), (two, found.control)):
        predicted = sm.OLS(rows[:, 0], sm.add_constant(rows[:, 1:])).fit().get_prediction([1.0, *middle])
        assert arm.value == pytest.approx(predicted.predicted_mean[0])
        assert arm.variance == pytest.approx(predicted.var_pred_mean[0] + shared)


def errors(runs: int, n: int, m: int) -> tuple[float, float]:
    """Share of intervals that miss the true effect, and of the plain ones."""
    rng = np.random.default_rng(2)
    missed, effects, ses = 0, np.empty(runs), np.empty(runs)
    for run in range(runs):
        # Slopes that differ: the effect depends on who was drawn.
        one, two = drawn(rng, n, (2.0, -1.0), 0.3), drawn(rng, m, (0.5, 1.0))
        found = regression_adjusted(Moments.from_rows(one), Moments.from_rows(two))
        compared = welch(found.treatment, found.control)
        missed += not compared.ci_lower <= 0.3 <= compared.ci_upper
        effects[run], ses[run] = compared.effect_size, compared.se
    return missed / runs, float(effects.var() / np.mean(ses**2))


def test_the_interval_covers_the_effect_on_the_population() -> None:
    runs = 1500
    missed, ratio = errors(runs, 80, 50)
    assert missed <= 0.06 + 3 * math.sqrt(0.06 * 0.94 / runs)
    assert ratio == pytest.approx(1.0, abs=0.15)


@pytest.mark.long
def test_the_interval_covers_in_full() -> None:
    runs = 20_000
    missed, ratio = errors(runs, 300, 200)
    assert 0.04 <= missed <= 0.06
    assert ratio == pytest.approx(1.0, abs=0.04)


def test_variance_is_lost_where_covariates_tell_something_and_ratios_are_linearised() -> None:
    rng = np.random.default_rng(3)
    arms = [Moments.from_rows(drawn(rng, 5000, (1.0, 1.0))) for _ in range(2)]
    assert regression_adjusted(*arms).variance_reduction == pytest.approx(2 / 3, abs=0.02)
    taste = rng.beta(2, 8, (2, 5000))
    views = rng.geometric(0.1, (2, 5000))
    clicks = rng.binomial(views, taste)
    ratios = [
        linearised(Moments.from_rows(np.column_stack([clicks[arm], views[arm], taste[arm]])), [(0, 1), (2, None)])
        for arm in range(2)
    ]
    found = regression_adjusted(*ratios)
    assert found.note == "adjusted"
    assert found.variance_reduction > 0.3


def test_covariates_that_are_none_leave_the_plain_estimates() -> None:
    rng = np.random.default_rng(4)
    some = Moments.from_rows(drawn(rng, 20, (1.0, 1.0)))
    few = Moments.from_rows(drawn(rng, 3, (1.0, 1.0)))
    constant = Moments.from_rows(np.column_stack([rng.normal(size=9), np.full(9, 0.1)]))
    for found, note in [
        (regression_adjusted(some, few), "too_few_units"),
        (regression_adjusted(some.column(0), few.column(0)), "no_covariate"),
        (regression_adjusted(constant, constant), "covariate_no_variance"),
        (regression_adjusted(some, Moments.empty(3)), "no_estimate"),
    ]:
        assert (found.note, found.treatment_slopes) == (note, ())
    assert regression_adjusted(some, few).treatment == mean_estimate(some)
    assert regression_adjusted(some, Moments.from_rows(drawn(rng, 4, (1.0, 1.0)))).note == "adjusted"


def test_arms_in_the_other_order_turn_the_sign() -> None:
    rng = np.random.default_rng(5)
    one, two = Moments.from_rows(drawn(rng, 20, (1.0, 1.0))), Moments.from_rows(drawn(rng, 30, (0.5, 1.0)))
    found, swapped = regression_adjusted(one, two), regression_adjusted(two, one)
    assert swapped.treatment.value == pytest.approx(found.control.value)
    assert swapped.control.variance == pytest.approx(found.treatment.variance)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="treatment brings 1 numbers a unit, control 2"):
        regression_adjusted(Moments.empty(1), Moments.empty(2))
