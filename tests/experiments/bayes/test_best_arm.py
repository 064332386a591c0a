"""Probability of being the best arm, and expected loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import DataError
from experiments.bandits import best_arm as bandits
from experiments.bayes.bayesian import beta_binomial_posterior, gaussian_posterior
from experiments.bayes.best_arm import best_of_estimates, beta_best_arm, gaussian_best_arm
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.moments import Moments

normals = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 3)), min_size=2, max_size=6)
betas = st.lists(st.tuples(st.floats(0.5, 300), st.floats(0.5, 300)), min_size=2, max_size=5)


def test_the_published_case() -> None:
    """Four arms of 1,000 units, Gaussian posteriors."""
    sums = [(10, 2000), (20, 2000), (30, 2000), (300, 20000)]
    arms = [mean_estimate(Moments.from_sums(1000, [total], [[squares]])) for total, squares in sums]
    expected = [0.011032752409, 0.015627654614, 0.021718637151, 0.951620955825]
    # The reference's own tolerance is .01; the figures agree further.
    assert best_of_estimates(arms).p_best == pytest.approx(expected, abs=1e-7)


@given(st.floats(-2, 2), st.floats(0.1, 3), st.floats(-2, 2), st.floats(0.1, 3))
def test_two_normals_are_the_gaussian_posterior_of_their_difference(m: float, s: float, n: float, t: float) -> None:
    posterior = gaussian_posterior(m - n, math.hypot(s, t))
    best = gaussian_best_arm([m, n], [s, t])
    assert best.p_best[0] == pytest.approx(posterior.chance_to_win, abs=1e-9)
    assert best.expected_loss == pytest.approx([posterior.expected_loss, posterior.expected_loss_control], abs=1e-9)


@pytest.mark.parametrize(
    ("hits", "n", "control_hits", "control_n"), [(3, 10, 2, 15), (560, 5000, 500, 5000), (0, 0, 4, 4)]
)
def test_two_betas_are_the_closed_form(hits: int, n: int, control_hits: int, control_n: int) -> None:
    exact = beta_binomial_posterior(hits, n, control_hits, control_n)
    best = beta_best_arm([hits + 1, control_hits + 1], [n - hits + 1, control_n - control_hits + 1])
    assert best.p_best[0] == pytest.approx(exact.chance_to_win, abs=1e-9)
    assert best.expected_loss == pytest.approx([exact.expected_loss, exact.expected_loss_control], abs=1e-9)


@given(normals, st.floats(1e-3, 1e3), st.floats(-50, 50))
def test_probabilities_add_up_and_ignore_unit_and_origin(
    arms: list[tuple[float, float]], unit: float, origin: float
) -> None:
    mean, sd = np.array(arms).T
    best = gaussian_best_arm(mean, sd)
    assert best.p_best.sum() == pytest.approx(1)
    assert (best.p_best >= 0).all()
    assert (best.expected_loss >= 0).all()
    moved = gaussian_best_arm(unit * (mean + origin), unit * sd)
    assert moved.p_best == pytest.approx(best.p_best, abs=1e-7)
    assert moved.expected_loss / unit == pytest.approx(best.expected_loss, abs=1e-7)


@given(betas)
def test_order_of_arms_does_not_matter_and_losses_differ_as_means_do(arms: list[tuple[float, float]]) -> None:
    a, b = np.array(arms).T
    best, back = beta_best_arm(a, b), beta_best_arm(a[::-1], b[::-1])
    assert back.p_best[::-1] == pytest.approx(best.p_best, abs=1e-10)
    assert back.expected_loss[::-1] == pytest.approx(best.expected_loss, abs=1e-10)
    # E[max] - m_i: the sum of loss and mean is the same for every arm.
    assert best.expected_loss + a / (a + b) == pytest.approx(best.expected_loss[0] + a[0] / (a[0] + b[0]), abs=1e-9)


@given(betas)
def test_the_lowest_rate_of_clicks_is_the_highest_of_none(arms: list[tuple[float, float]]) -> None:
    a, b = np.array(arms).T
    lowest, highest = beta_best_arm(a, b, lower_is_better=True), beta_best_arm(b, a)
    assert lowest.p_best == pytest.approx(highest.p_best, abs=1e-12)
    assert lowest.expected_loss == pytest.approx(highest.expected_loss, abs=1e-12)


def test_draws_agree() -> None:
    a, b = np.array([3, 30, 12.5]), np.array([20, 150, 60.5])
    draws = np.random.default_rng(5).beta(a, b, (200_000, 3))
    best = beta_best_arm(a, b)
    wins = np.bincount(draws.argmax(axis=1), minlength=3) / len(draws)
    # Four standard errors of a share, and of a mean.
    assert np.abs(wins - best.p_best).max() < 4 * 0.5 / math.sqrt(len(draws))
    regret = draws.max(axis=1, keepdims=True) - draws
    assert (np.abs(regret.mean(axis=0) - best.expected_loss) < 4 * regret.std(axis=0) / math.sqrt(len(draws))).all()


def test_a_narrow_arm_beside_a_wide_one_is_not_missed() -> None:
    best = gaussian_best_arm([0.0, 0.0], [1e-9, 1e6])
    assert best.p_best == pytest.approx([0.5, 0.5], abs=1e-6)
    assert best.expected_loss[0] == pytest.approx(1e6 / math.sqrt(2 * math.pi), rel=1e-6)


def test_lower_is_better_mirrors() -> None:
    best = gaussian_best_arm([0.1, 0.2, 0.5], [0.1, 0.2, 0.3], lower_is_better=True)
    mirrored = gaussian_best_arm([-0.1, -0.2, -0.5], [0.1, 0.2, 0.3])
    assert best.p_best == pytest.approx(mirrored.p_best)
    assert best.expected_loss == pytest.approx(mirrored.expected_loss)


def test_the_bandits_coarser_grid_says_the_same() -> None:
    mean, sd = [0.1, 0.25, 0.3, 0.0], [0.2, 0.05, 0.1, 0.4]
    assert bandits.gaussian_best_arm(mean, sd) == pytest.approx(gaussian_best_arm(mean, sd).p_best, abs=1e-4)


def test_one_arm_and_none() -> None:
    alone = gaussian_best_arm([0.3], [0.1])
    assert (alone.p_best.tolist(), alone.expected_loss.tolist()) == ([1.0], [0.0])
    assert beta_best_arm([], []).p_best.shape == (0,)


@pytest.mark.parametrize(
    "unknown",
    [Estimate(math.nan, math.nan, 0, "no_units"), Estimate(1.0, 0.0, 9), Estimate(1.0, math.nan, 1, "too_few_units")],
)
def test_an_unknown_arm_leaves_the_best_unknown(unknown: Estimate) -> None:
    best = best_of_estimates([Estimate(0.1, 0.01, 50), unknown])
    assert np.isnan(best.p_best).all()
    assert np.isnan(best.expected_loss).all()


def test_arms_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match=r"mean has shape \(2,\), sd \(1,\)"):
        gaussian_best_arm([1, 2], [1])
    with pytest.raises(DataError, match="finite sd above 0"):
        gaussian_best_arm([1, 2], [1, 0])
    with pytest.raises(DataError, match=r"finite and >= 0\.05"):
        beta_best_arm([1, 0], [1, 1])
    with pytest.raises(DataError, match=r"a has shape"):
        beta_best_arm([[1.0]], [[1.0]])


def test_many_arms_of_a_billion_trials() -> None:
    a = np.full(20, 5e8) + np.arange(20) * 1e4
    best = beta_best_arm(a, 1e9 - a)
    normal = gaussian_best_arm(a / 1e9, stats.beta.std(a, 1e9 - a))
    assert best.p_best == pytest.approx(normal.p_best, abs=1e-4)
