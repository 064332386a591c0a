"""Strata and covariates taken out: against each alone, against least squares, and where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from core.errors import ConfigError
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import mean_estimate
from experiments.inference.linearised import linearised
from experiments.inference.moments import Moments
from experiments.inference.post_stratification import post_stratified
from experiments.inference.regression_adjustment import regression_adjusted
from experiments.inference.variance_reduction import reduced


def rows(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Treated or not, stratum, covariate, outcome."""
    rng = np.random.default_rng(seed)
    treated, stratum, x = rng.random(n) < 0.4, rng.integers(0, 3, n), rng.normal(size=n)
    y = 3.0 * stratum + 1.5 * x + treated * (0.4 + 0.3 * x) + rng.normal(size=n)
    return treated, stratum, x, y


def test_strata_alone_are_the_weighted_difference_by_hand() -> None:
    treated, stratum, _, y = rows(0)
    arms = [[Moments.from_rows(y[(treated == arm) & (stratum == k)]) for k in range(3)] for arm in (True, False)]
    found = reduced(*arms, stratified=True)
    weights = np.bincount(stratum) / len(y)
    parts = [[y[(treated == arm) & (stratum == k)] for k in range(3)] for arm in (True, False)]
    means = [sum(w * part.mean() for w, part in zip(weights, arm, strict=True)) for arm in parts]
    variances = [
        sum(w**2 * part.var(ddof=1) / len(part) for w, part in zip(weights, arm, strict=True)) for arm in parts
    ]
    assert (found.treatment.value, found.control.value) == pytest.approx(tuple(means))
    assert (found.treatment.variance, found.control.variance) == pytest.approx(tuple(variances))
    plain = sum(y[treated == arm].var(ddof=1) / (treated == arm).sum() for arm in (True, False))
    assert found.variance_reduction == pytest.approx(1 - sum(variances) / plain)
    assert found.variance_reduction > 0.4
    assert (found.strata, found.covariate) == ("stratified", None)


def test_lin_is_least_squares_with_interactions() -> None:
    treated, _, x, y = rows(1)
    arms = [[Moments.from_rows(np.stack([y, x], axis=1)[treated == arm])] for arm in (True, False)]
    found = reduced(*arms, has_covariate=True, adjustment="lin")
    centred = x - x.mean()
    fit = sm.OLS(y, np.stack([np.ones(len(y)), treated, centred, treated * centred], axis=1)).fit(cov_type="HC2")
    assert found.treatment.value - found.control.value == pytest.approx(fit.params[1])
    assert found.treatment.variance + found.control.variance == pytest.approx(fit.bse[1] ** 2, rel=0.05)
    assert found.covariate == "adjusted"


def test_the_parts_alone_are_the_library_s() -> None:
    treated, stratum, x, y = rows(2)
    both = np.stack([y, x], axis=1)
    one, two = (Moments.from_rows(both[treated == arm]) for arm in (True, False))
    assert reduced([one], [two], has_covariate=True)[:2] == cuped_means(one, two)[:2]
    arms = [[Moments.from_rows(both[(treated == arm) & (stratum == k)]) for k in range(3)] for arm in (True, False)]
    together = post_stratified(*arms)
    found = reduced(*arms, has_covariate=True, stratified=True)
    assert found[:2] == cuped_means(together.treatment, together.control)[:2]
    # Both take away more than either.
    alone = reduced(*([arm.column(0) for arm in side] for side in arms), stratified=True)
    assert found.variance_reduction > max(alone.variance_reduction, reduced([one], [two], has_covariate=True)[2])


@pytest.mark.parametrize("before", [1, 2])
def test_ratios_take_a_covariate_of_one_or_two_numbers(before: int) -> None:
    rng = np.random.default_rng(4)
    views = rng.integers(1, 6, 500)
    clicks = rng.binomial(views, 0.3)
    covariates = [clicks + rng.normal(size=500), views + 0.5][:before]
    table = np.stack([clicks, views, *covariates], axis=1)
    one, two = Moments.from_rows(table[:260]), Moments.from_rows(table[260:])
    cuped = reduced([one], [two], is_ratio=True, has_covariate=True)
    assert cuped[:2] == cuped_ratios(one, two)[:2]
    lin = reduced([one], [two], is_ratio=True, has_covariate=True, adjustment="lin")
    columns: list[tuple[int, int | None]] = [(0, 1), (2, 3 if before == 2 else None)]
    assert lin[:2] == regression_adjusted(linearised(one, columns), linearised(two, columns))[:2]
    assert lin.variance_reduction == pytest.approx(cuped.variance_reduction, abs=0.05)


def test_where_there_is_nothing_to_take_out() -> None:
    flat = Moments.from_rows([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    for adjustment in ("cuped", "lin"):
        found = reduced([flat], [flat], has_covariate=True, adjustment=adjustment)  # type: ignore[arg-type]
        assert (found.covariate, found.variance_reduction) == ("covariate_no_variance", 0.0)
        assert found.treatment == mean_estimate(flat)
    few = reduced([flat, Moments.empty(2)], [Moments.empty(2), Moments.empty(2)], stratified=True)
    assert (few.strata, few.control.status) == ("no_units", "no_units")
    one_each = [Moments.from_rows([1.0]), Moments.from_rows([2.0])]
    assert reduced(one_each, one_each, stratified=True).strata == "one_stratum"


def test_what_is_not_allowed_is_refused() -> None:
    flat = Moments.from_rows([[1.0, 5.0], [2.0, 5.0]])
    with pytest.raises(ConfigError, match="adjust == 'lin' goes without strata"):
        reduced([flat], [flat], has_covariate=True, adjustment="lin", stratified=True)
    with pytest.raises(ConfigError, match="adjust == 'ols', must be one of cuped, lin"):
        reduced([flat], [flat], has_covariate=True, adjustment="ols")  # type: ignore[arg-type]
