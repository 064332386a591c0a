"""Two rates under beta priors of any size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from core.errors import ConfigError, DataError
from experiments.bayes.bayesian import beta_binomial_posterior
from experiments.bayes.beta_binomial import BetaPrior, beta_binomial_comparison

counts = st.integers(0, 400)


def test_the_published_case() -> None:
    """Closed form with Beta(1, 1) priors."""
    found = beta_binomial_comparison(560, 5000, 500, 5000)
    assert found.chance_to_win == pytest.approx(0.9743277549045551, abs=1e-6)
    assert found.expected_loss_treatment == pytest.approx(5.996809467967304e-05, abs=1e-6)
    assert found.expected_loss_control == pytest.approx(0.012055170014151934, abs=1e-6)
    assert (found.kind, found.status) == ("absolute", "ok")


@given(counts, counts, counts, counts)
def test_whole_priors_agree_with_the_closed_form(
    hits: int, misses: int, control_hits: int, control_misses: int
) -> None:
    n, control_n = hits + misses + 1, control_hits + control_misses + 1
    exact = beta_binomial_posterior(hits, n, control_hits, control_n, prior=(2, 3))
    found = beta_binomial_comparison(hits, n, control_hits, control_n, prior=BetaPrior(2, 3))
    assert found.chance_to_win == pytest.approx(exact.chance_to_win, abs=1e-8)
    assert found.expected_loss_treatment == pytest.approx(exact.expected_loss, abs=1e-8)
    assert found.expected_loss_control == pytest.approx(exact.expected_loss_control, abs=1e-8)


@pytest.mark.parametrize("prior", [BetaPrior(0.5, 0.5), BetaPrior(3.7, 21.2), BetaPrior(0.1, 0.3)])
def test_the_interval_holds_its_share_of_the_posterior(prior: BetaPrior) -> None:
    hits, n, control_hits, control_n, alpha = 7, 40, 30, 90, 0.1
    found = beta_binomial_comparison(hits, n, control_hits, control_n, prior=prior, alpha=alpha)
    one = stats.beta(prior.a + hits, prior.b + n - hits)
    two = stats.beta(prior.a + control_hits, prior.b + control_n - control_hits)
    for end, below in ((found.ci_lower, alpha / 2), (found.ci_upper, 1 - alpha / 2)):
        share, _ = integrate.quad(lambda y, end=end: two.pdf(y) * one.cdf(y + end), 0, 1, limit=200)
        assert share == pytest.approx(below, abs=1e-7)
    assert found.effect_size == pytest.approx(one.mean() - two.mean())


def test_draws_agree_under_unequal_priors() -> None:
    found = beta_binomial_comparison(4, 20, 11, 30, prior=BetaPrior(0.5, 2.5), control_prior=BetaPrior(9, 4.5))
    rng = np.random.default_rng(2)
    apart = rng.beta(4.5, 18.5, 400_000) - rng.beta(20, 23.5, 400_000)
    assert np.quantile(apart, [0.025, 0.975]) == pytest.approx([found.ci_lower, found.ci_upper], abs=2e-3)
    assert np.mean(apart > 0) == pytest.approx(found.chance_to_win, abs=4 * 0.5 / math.sqrt(400_000))


@given(counts, counts, counts, counts, st.floats(0.5, 20), st.floats(0.5, 20))
def test_arms_are_mirrored(hits: int, misses: int, control_hits: int, control_misses: int, a: float, b: float) -> None:
    n, control_n, prior = hits + misses + 1, control_hits + control_misses + 1, BetaPrior(a, b)
    there = beta_binomial_comparison(hits, n, control_hits, control_n, prior=prior)
    back = beta_binomial_comparison(control_hits, control_n, hits, n, prior=prior, lower_is_better=True)
    assert back.chance_to_win == pytest.approx(there.chance_to_win, abs=1e-9)
    assert back.expected_loss_treatment == pytest.approx(there.expected_loss_treatment, abs=1e-9)
    assert back.ci_lower == pytest.approx(-there.ci_upper, abs=1e-8)
    assert there.ci_lower < there.effect_size < there.ci_upper


def test_nobody_and_everybody() -> None:
    found = beta_binomial_comparison(0, 50, 50, 50)
    assert found.chance_to_win == pytest.approx(0, abs=1e-12)
    assert -1 <= found.ci_lower < found.ci_upper < -0.8


def test_a_billion_trials_agree_with_the_normal() -> None:
    found = beta_binomial_comparison(500_100_000, 10**9, 500_000_000, 10**9)
    se = math.sqrt(0.5 / 1e9)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((1e-4 - 1.959964 * se, 1e-4 + 1.959964 * se), abs=1e-8)


@pytest.mark.parametrize(("n", "control_n"), [(0, 5), (5, 0), (0, 0)])
def test_without_trials_only_the_prior_would_speak(n: int, control_n: int) -> None:
    found = beta_binomial_comparison(0, n, 0, control_n)
    assert found.status == "no_units"
    assert all(math.isnan(figure) for figure in found[:6])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="control has 6 successes in 5 trials"):
        beta_binomial_comparison(1, 5, 6, 5)
    with pytest.raises(ConfigError, match=r"prior == \(0, 1\.0\), must be two finite numbers >= 0\.05"):
        beta_binomial_comparison(1, 5, 1, 5, prior=BetaPrior(0))
    with pytest.raises(ConfigError, match="prior"):
        beta_binomial_comparison(1, 5, 1, 5, control_prior=BetaPrior(1, math.inf))
    with pytest.raises(ConfigError, match="alpha == 0"):
        beta_binomial_comparison(1, 5, 1, 5, alpha=0)
