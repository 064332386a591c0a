"""Chance to win and expected loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from core.errors import ConfigError, DataError
from experiments.bayes.bayesian import beta_binomial_posterior, gaussian_posterior


@given(st.floats(-0.2, 0.2), st.floats(1e-4, 0.1), st.floats(0.01, 0.5))
def test_gaussian_reading_is_consistent(effect: float, se: float, alpha: float) -> None:
    posterior = gaussian_posterior(effect, se, alpha)
    assert 0 <= posterior.chance_to_win <= 1
    assert posterior.expected_loss >= 0
    # E[max(0, δ)] - E[max(0, -δ)] = E[δ].
    assert posterior.expected_loss_control - posterior.expected_loss == pytest.approx(effect, abs=1e-12)
    assert posterior.credible.lower < effect < posterior.credible.upper
    mirrored = gaussian_posterior(-effect, se, alpha)
    assert mirrored.chance_to_win == pytest.approx(1 - posterior.chance_to_win, abs=1e-12)
    assert mirrored.expected_loss == posterior.expected_loss_control


def test_gaussian_loss_is_the_integral() -> None:
    effect, se = 0.013, 0.02
    loss, _ = integrate.quad(lambda d: -d * stats.norm.pdf(d, effect, se), -1, 0, points=[-0.1, effect])
    assert gaussian_posterior(effect, se).expected_loss == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize(("effect", "se"), [(math.nan, 0.1), (0.1, math.nan), (0.1, 0.0)])
def test_nothing_known_is_not_a_number(effect: float, se: float) -> None:
    posterior = gaussian_posterior(effect, se)
    assert math.isnan(posterior.chance_to_win)
    assert math.isnan(posterior.expected_loss)
    assert math.isnan(posterior.credible.lower)


def test_alpha_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha == 1"):
        gaussian_posterior(0.1, 0.1, alpha=1)


@pytest.mark.parametrize(
    ("hits", "n", "control_hits", "control_n"), [(3, 10, 2, 15), (0, 5, 4, 4), (0, 0, 0, 0), (90, 100, 2, 7)]
)
def test_beta_binomial_against_quadrature(hits: int, n: int, control_hits: int, control_n: int) -> None:
    one, two = stats.beta(hits + 1, n - hits + 1), stats.beta(control_hits + 1, control_n - control_hits + 1)
    posterior = beta_binomial_posterior(hits, n, control_hits, control_n)
    wins, _ = integrate.quad(lambda x: one.pdf(x) * two.cdf(x), 0, 1)
    # E[max(0, control - challenger)] = ∫ P(control > x) P(challenger <= x) dx.
    loss, _ = integrate.quad(lambda x: two.sf(x) * one.cdf(x), 0, 1)
    loss_control, _ = integrate.quad(lambda x: one.sf(x) * two.cdf(x), 0, 1)
    assert posterior.chance_to_win == pytest.approx(wins, abs=1e-8)
    assert posterior.expected_loss == pytest.approx(loss, abs=1e-8)
    assert posterior.expected_loss_control == pytest.approx(loss_control, abs=1e-8)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_beta_binomial_arms_are_mirrored(hits: int, misses: int, control_hits: int, control_misses: int) -> None:
    there = beta_binomial_posterior(hits, hits + misses, control_hits, control_hits + control_misses)
    back = beta_binomial_posterior(control_hits, control_hits + control_misses, hits, hits + misses)
    assert 0 <= there.chance_to_win <= 1
    assert there.chance_to_win + back.chance_to_win == pytest.approx(1, abs=1e-9)
    assert there.expected_loss == pytest.approx(back.expected_loss_control, abs=1e-12)


def test_both_readings_agree_on_many_sessions() -> None:
    n, hits, control_hits = 20_000, 5_150, 5_000
    p, q = hits / n, control_hits / n
    exact = beta_binomial_posterior(hits, n, control_hits, n)
    normal = gaussian_posterior(p - q, math.sqrt((p * (1 - p) + q * (1 - q)) / n))
    assert normal.chance_to_win == pytest.approx(exact.chance_to_win, abs=5e-4)
    assert normal.expected_loss == pytest.approx(exact.expected_loss, abs=1e-5)


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5)])
def test_impossible_successes_are_refused(hits: int, n: int) -> None:
    with pytest.raises(DataError, match=f"challenger has {hits} successes in {n} trials"):
        beta_binomial_posterior(hits, n, 1, 5)


@pytest.mark.parametrize("prior", [(0, 1), (1, -1), (1.5, 1)])
def test_a_prior_the_closed_form_cannot_use_is_refused(prior: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="prior"):
        beta_binomial_posterior(1, 5, 1, 5, prior=prior)


def test_claims_are_calibrated_under_the_prior() -> None:
    """Rates drawn from the prior: where the posterior claims 80 … 90 %, the challenger is the better one as often."""
    rng = np.random.default_rng(11)
    claimed, truth = [], []
    for _ in range(4000):
        p, q = rng.random(2)
        claim = beta_binomial_posterior(int(rng.binomial(12, p)), 12, int(rng.binomial(12, q)), 12).chance_to_win
        if 0.8 <= claim < 0.9:
            claimed.append(claim)
            truth.append(p > q)
    assert abs(np.mean(claimed) - np.mean(truth)) < 3 * math.sqrt(0.85 * 0.15 / len(truth))
