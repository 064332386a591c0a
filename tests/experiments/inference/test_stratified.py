"""The stratified, clustered effect: parity, degenerate input, and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from core.errors import DataError
from experiments.inference.clusters import ClusterMoments
from experiments.inference.stratified import stratified_effect

Z_95 = 1.959963984540054


class Sessions:
    """Session rows of one arm: unit, step and click of each."""

    def __init__(self, unit: np.ndarray, step: np.ndarray, click: np.ndarray) -> None:
        self.unit, self.step, self.click = unit, step, click

    def moments(self, n_steps: int) -> ClusterMoments:
        return ClusterMoments.from_rows(self.unit, self.step, np.ones(len(self.unit)), self.click, n_steps)


def draw(
    rng: np.random.Generator,
    n_units: int,
    sessions: list[int],
    rates: list[float],
    spread: float = 0.0,
) -> Sessions:
    """Sessions of random units; a unit deviates from the step's click rate by up to ``spread``, in all steps alike."""
    step = np.repeat(np.arange(len(sessions)), sessions)
    unit = rng.integers(n_units, size=len(step))
    deviation = rng.uniform(-spread, spread, n_units)
    click = rng.random(len(step)) < np.asarray(rates)[step] + deviation[unit]
    return Sessions(unit, step, click.astype(float))


def saturated_regression(
    challenger: Sessions, control: Sessions, n_steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell means (challenger's steps, control's steps), their covariance clustered by unit, sessions per cell."""
    cell = np.concatenate([challenger.step, n_steps + control.step])
    group = np.concatenate([challenger.unit, 1_000_000 + control.unit])
    fit = sm.OLS(np.concatenate([challenger.click, control.click]), np.eye(2 * n_steps)[cell]).fit(
        cov_type="cluster", cov_kwds={"groups": group, "use_correction": False}
    )
    return fit.params, fit.cov_params(), np.bincount(cell, minlength=2 * n_steps)


def test_parity_with_statsmodels() -> None:
    """Effect and both standard errors from a saturated regression with a clustered sandwich covariance."""
    rng = np.random.default_rng(1)
    n_steps, n_units = 3, 400
    challenger = draw(rng, n_units, [200, 700, 900], [0.2, 0.3, 0.4], spread=0.2)
    control = draw(rng, n_units, [800, 750, 900], [0.15, 0.3, 0.35], spread=0.2)
    one, two = challenger.moments(n_steps), control.moments(n_steps)
    ours = stratified_effect(one, two)
    means, covariance, n = saturated_regression(challenger, control, n_steps)
    weights = 1 / (1 / n[:n_steps] + 1 / n[n_steps:])
    weights = weights / weights.sum()
    # statsmodels' covariance has no small-sample factor; ours has one per arm.
    factor = np.repeat([units / (units - 1) for units in (one.n_clusters, two.n_clusters)], n_steps)
    covariance = covariance * factor[:, None]
    difference = np.concatenate([weights, -weights])
    assert ours.effect_size == pytest.approx(difference @ means, rel=1e-12)
    assert ours.se == pytest.approx(math.sqrt(difference @ covariance @ difference), rel=1e-9)

    def relative(cell_means: np.ndarray) -> float:
        return (weights @ cell_means[:n_steps]) / (weights @ cell_means[n_steps:]) - 1

    gradient = approx_fprime(means, relative, 1e-7)
    assert ours.rel_effect_size == pytest.approx(relative(means), rel=1e-12)
    assert ours.rel_se == pytest.approx(math.sqrt(gradient @ covariance @ gradient), rel=1e-5)


def test_one_session_per_unit_is_the_unpooled_z_test() -> None:
    """One step, no repeats: the standard error of two independent proportions, sample variance; design effect 1."""
    challenger = Sessions(np.arange(50), np.zeros(50, int), np.repeat([1.0, 0.0], [20, 30]))
    control = Sessions(np.arange(80), np.zeros(80, int), np.repeat([1.0, 0.0], [16, 64]))
    effect = stratified_effect(challenger.moments(1), control.moments(1))
    assert effect.effect_size == pytest.approx(0.4 - 0.2)
    assert effect.rel_effect_size == pytest.approx(1.0)
    assert effect.se == pytest.approx(math.sqrt(0.4 * 0.6 / 49 + 0.2 * 0.8 / 79))
    assert effect.design_effect == pytest.approx(1.0)
    assert effect.n_effective == pytest.approx(4 / (1 / 50 + 1 / 80))


def test_repeating_every_session_doubles_the_design_effect() -> None:
    """A unit that brings its session twice tells nothing new: same error, same effective number."""
    rng = np.random.default_rng(2)
    arms = [Sessions(np.arange(900), np.zeros(900, int), (rng.random(900) < rate) * 1.0) for rate in (0.3, 0.25)]
    twice = [Sessions(np.tile(arm.unit, 2), np.tile(arm.step, 2), np.tile(arm.click, 2)) for arm in arms]
    once_effect = stratified_effect(*(arm.moments(1) for arm in arms))
    twice_effect = stratified_effect(*(arm.moments(1) for arm in twice))
    assert twice_effect.effect_size == pytest.approx(once_effect.effect_size)
    assert twice_effect.se == pytest.approx(once_effect.se)
    assert twice_effect.design_effect == pytest.approx(2, rel=0.01)
    assert twice_effect.n_effective == pytest.approx(once_effect.n_effective, rel=0.01)


def test_a_step_without_one_arm_weighs_nothing() -> None:
    rng = np.random.default_rng(3)
    challenger = draw(rng, 200, [300, 0, 500], [0.3, 0.3, 0.3])
    control = draw(rng, 200, [300, 400, 500], [0.3, 0.9, 0.3])
    effect = stratified_effect(challenger.moments(3), control.moments(3))
    kept = control.step != 1
    without = Sessions(control.unit[kept], control.step[kept], control.click[kept])
    same = stratified_effect(challenger.moments(3), without.moments(3))
    assert effect.weights[1] == 0
    assert effect.effect_size == pytest.approx(same.effect_size)
    assert effect.status == "ok"


arm_rows = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(1, 4), st.floats(0, 1)), min_size=1, max_size=25
)


def moments_of(rows: list[tuple[int, int, int, float]]) -> ClusterMoments:
    unit, step, n, share = (list(column) for column in zip(*rows, strict=True))
    return ClusterMoments.from_rows(unit, step, n, [round(a * b) for a, b in zip(n, share, strict=True)], 2)


@given(arm_rows, arm_rows)
def test_swapping_the_arms_turns_the_sign(
    one: list[tuple[int, int, int, float]], two: list[tuple[int, int, int, float]]
) -> None:
    there, back = (
        stratified_effect(moments_of(one), moments_of(two)),
        stratified_effect(moments_of(two), moments_of(one)),
    )
    assert there.status == back.status
    same = {"abs": 1e-12, "rel": 1e-9, "nan_ok": True}
    assert there.effect_size == pytest.approx(-back.effect_size, **same)
    assert there.control_mean == pytest.approx(back.challenger_mean, **same)
    for field in ("se", "design_effect", "n_effective"):
        assert getattr(there, field) == pytest.approx(getattr(back, field), **same)


@given(arm_rows, arm_rows)
def test_numbers_are_consistent(one: list[tuple[int, int, int, float]], two: list[tuple[int, int, int, float]]) -> None:
    effect = stratified_effect(moments_of(one), moments_of(two))
    if effect.status == "no_units":
        assert math.isnan(effect.effect_size)
        return
    assert 0 <= effect.control_mean <= 1
    assert effect.effect_size == effect.challenger_mean - effect.control_mean
    assert effect.weights.sum() == pytest.approx(1)
    assert (effect.se > 0) == (effect.n_effective > 0) == (effect.status == "ok")
    assert math.isnan(effect.rel_effect_size) == (effect.control_mean == 0)


def test_no_units_is_not_a_number() -> None:
    effect = stratified_effect(ClusterMoments.empty(2), ClusterMoments.from_rows([0], [0], [5], [1], 2))
    assert effect.status == "no_units"
    assert math.isnan(effect.effect_size)
    assert math.isnan(effect.se)
    assert math.isnan(effect.n_effective)


def test_arms_that_never_met_have_no_effect() -> None:
    """Sessions in different steps only: there is nothing to compare within a step."""
    one, two = (
        ClusterMoments.from_rows([0, 1], [0, 0], [5, 5], [1, 2], 2),
        ClusterMoments.from_rows([0], [1], [5], [1], 2),
    )
    assert stratified_effect(one, two).status == "no_units"


def test_one_unit_has_no_standard_error() -> None:
    one = ClusterMoments.from_rows([0], [0], [9], [3], 1)
    two = ClusterMoments.from_rows([0, 1], [0, 0], [5, 5], [1, 2], 1)
    effect = stratified_effect(one, two)
    assert effect.status == "too_few_units"
    assert effect.effect_size == pytest.approx(3 / 9 - 3 / 10)
    assert math.isnan(effect.se)


@pytest.mark.parametrize(("clicks", "rate"), [(0, 0.0), (1, 1.0)])
def test_no_variance_is_said_so(clicks: int, rate: float) -> None:
    arm = ClusterMoments.from_rows([0, 1, 2], [0, 0, 0], [1, 1, 1], [clicks] * 3, 1)
    effect = stratified_effect(arm, arm)
    assert effect.status == "no_variance"
    assert (effect.effect_size, effect.control_mean) == (0.0, rate)
    assert math.isnan(effect.se)
    assert math.isnan(effect.n_effective)


def test_arms_of_different_steps_are_refused() -> None:
    with pytest.raises(DataError, match="challenger has 2 steps, control 3"):
        stratified_effect(ClusterMoments.empty(2), ClusterMoments.empty(3))


def test_clustered_intervals_cover_session_level_ones_do_not() -> None:
    """Loyal units with tastes of their own, randomised by unit: 95 % intervals of 1,000 A/A comparisons."""
    rng = np.random.default_rng(4)
    n_draws, covered, covered_iid = 1000, 0, 0
    for _ in range(n_draws):
        arms = [draw(rng, 60, [300, 300], [0.5, 0.5], spread=0.45) for _ in range(2)]
        effect = stratified_effect(*(arm.moments(2) for arm in arms))
        iid_se = effect.se / math.sqrt(effect.design_effect)
        covered += abs(effect.effect_size) <= Z_95 * effect.se
        covered_iid += abs(effect.effect_size) <= Z_95 * iid_se
    three_errors = 3 * math.sqrt(0.05 * 0.95 / n_draws)
    # 60 units an arm: the normal quantile falls short of the t quantile by half a point.
    assert 0.945 - three_errors <= covered / n_draws <= 0.95 + three_errors
    assert covered_iid / n_draws < 0.75


def test_relative_interval_covers() -> None:
    rng = np.random.default_rng(5)
    n_draws, covered = 1000, 0
    for _ in range(n_draws):
        challenger = draw(rng, 300, [200, 600], [0.33, 0.22], spread=0.1)
        control = draw(rng, 300, [200, 600], [0.30, 0.20], spread=0.1)
        effect = stratified_effect(challenger.moments(2), control.moments(2))
        covered += abs(effect.rel_effect_size - 0.1) <= Z_95 * effect.rel_se
    three_errors = 3 * math.sqrt(0.05 * 0.95 / n_draws)
    assert 0.95 - three_errors <= covered / n_draws <= 0.95 + three_errors


def test_a_time_trend_biases_pooling_not_stratifying() -> None:
    """Clicks rise from step to step while the challenger's share does too: pooled sessions fake an effect."""
    rng = np.random.default_rng(6)
    effects, pooled = [], []
    for _ in range(300):
        challenger = draw(rng, 2000, [100, 500, 2000], [0.20, 0.24, 0.28])
        control = draw(rng, 2000, [1900, 1500, 2000], [0.20, 0.24, 0.28])
        effects.append(stratified_effect(challenger.moments(3), control.moments(3)).effect_size)
        pooled.append(challenger.click.mean() - control.click.mean())
    error = np.std(effects) / math.sqrt(len(effects))
    assert abs(np.mean(effects)) < 3 * error
    assert np.mean(pooled) > 0.02
