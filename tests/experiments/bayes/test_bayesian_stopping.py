"""Stopping by expected loss; what a posterior's claims are worth to whoever looks again and again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from core.errors import ConfigError
from experiments.bayes.bayesian_lift import BayesianComparison, NormalPrior, bayesian_comparison
from experiments.bayes.bayesian_stopping import Peeking, peek, stop_by_loss
from experiments.inference.estimates import Estimate


def posterior(loss: float, loss_control: float) -> BayesianComparison:
    return BayesianComparison(loss_control - loss, -1.0, 1.0, 0.5, loss, loss_control, "relative", "ok")


@pytest.mark.parametrize(
    ("losses", "n", "expected"),
    [
        ((0.0005, 0.02), 500, ("treatment", "loss_small")),
        ((0.02, 0.0005), 500, ("control", "loss_small")),
        ((0.0005, 0.0004), 500, ("control", "loss_small")),
        ((0.002, 0.02), 500, ("continue", "loss_too_large")),
        ((0.001, 0.02), 500, ("continue", "loss_too_large")),
        ((0.0005, 0.02), 499, ("continue", "too_few_units")),
        ((math.nan, math.nan), 500, ("continue", "unknown")),
    ],
)
def test_stop_when_deciding_costs_less_than_one_cares_about(
    losses: tuple[float, float], n: int, expected: tuple[str, str]
) -> None:
    stop = stop_by_loss(posterior(*losses), threshold_of_caring=0.001, n=n, min_n=500)
    assert (stop.choice, stop.reason) == expected
    assert stop.expected_loss == pytest.approx(min(losses), nan_ok=True)


def test_no_figures_no_stop() -> None:
    nothing = bayesian_comparison(Estimate(math.nan, math.nan, 0, "no_units"), Estimate(1.0, 0.1, 9))
    assert stop_by_loss(nothing, threshold_of_caring=1, n=0, min_n=2).reason == "unknown"


@pytest.mark.parametrize(("threshold", "min_n", "named"), [(0, 2, "threshold_of_caring == 0"), (0.1, 1, "min_n == 1")])
def test_a_rule_that_cannot_be_is_refused(threshold: float, min_n: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        stop_by_loss(posterior(0, 0), threshold_of_caring=threshold, n=5, min_n=min_n)


def calibration_bound(found: Peeking) -> float:
    """Four standard errors of claimed - actual: given the data at the stop, a right claim has variance p (1 - p)."""
    return 4 * math.sqrt(found.claimed * (1 - found.claimed) / found.n_stopped)


def test_the_simulated_reading_is_the_engines() -> None:
    """One look with a threshold just below and above what ``bayesian_comparison`` says of the same numbers."""
    seed, effect_sd, look_se, prior_sd = 1, 0.2, 0.1, 0.3
    rng = np.random.default_rng(seed)
    effect = effect_sd * rng.standard_normal(1)[0]
    estimate = effect + look_se * rng.standard_normal((1, 1))[0, 0]
    treatment, control = Estimate(1 + estimate, look_se**2, 100), Estimate(1.0, 0.0, 100)
    chance = bayesian_comparison(
        treatment, control, prior=NormalPrior(0, prior_sd), difference="absolute"
    ).chance_to_win
    assert 0.5 < chance < 1
    design = {"effect_sd": effect_sd, "prior_sd": prior_sd, "look_se": look_se, "n_looks": 1, "n_runs": 1, "seed": seed}
    assert peek(**design, threshold=chance - 1e-9).claimed == pytest.approx(chance)
    assert peek(**design, threshold=chance + 1e-9).n_stopped == 0


@pytest.mark.parametrize(("n_looks", "effect_sd"), [(1, 3.0), (40, 0.3), (40, 3.0)])
def test_a_matched_prior_keeps_its_word_under_peeking(n_looks: int, effect_sd: float) -> None:
    found = peek(effect_sd=effect_sd, prior_sd=effect_sd, n_looks=n_looks, n_runs=30_000, seed=8)
    assert found.n_stopped > 500
    assert abs(found.claimed - found.actual) < calibration_bound(found)
    assert found.claimed > 0.95


def test_a_flat_prior_does_not_when_effects_are_small() -> None:
    found = peek(effect_sd=0.1, prior_sd=math.inf, n_looks=40, n_runs=20_000, seed=8)
    assert found.claimed - found.actual > 0.1


def test_false_discoveries_of_a_flat_prior_grow_with_the_looks() -> None:
    """A/A: the negative control, which the sequential reading exists for."""
    found = peek(effect_sd=0, prior_sd=math.inf, n_looks=100, n_runs=20_000, seed=3)
    one, ten, hundred = found.stopped_by_look[[0, 9, 99]]
    assert one == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 20_000))
    assert ten > 2.5 * one
    assert hundred > 5 * one
    assert found.actual == 0
    assert found.stopped_share == pytest.approx(hundred)
    assert (np.diff(found.stopped_by_look) >= 0).all()


def test_stopping_by_loss_loses_what_it_says() -> None:
    """Under the matched prior the mean true loss of what was chosen is the mean loss claimed, and below ε."""
    sd, epsilon, looks, runs = 0.3, 0.02, 60, 30_000
    rng = np.random.default_rng(12)
    effect = sd * rng.standard_normal(runs)
    total = np.cumsum(effect[:, np.newaxis] + rng.standard_normal((runs, looks)), axis=1)
    precision = np.arange(1, looks + 1) + 1 / sd**2
    mean, spread = total / precision, 1 / np.sqrt(precision)
    z = np.abs(mean) / spread
    # Of the better-looking arm: σ φ(z) - |m| Φ(-z).
    loss = spread * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) - np.abs(mean) * special.ndtr(-z)
    below = loss < epsilon
    stopped, first = below.any(axis=1), below.argmax(axis=1)
    rows = np.flatnonzero(stopped)
    chosen = mean[rows, first[rows]] > 0
    true_loss = np.where(chosen, np.maximum(-effect[rows], 0), np.maximum(effect[rows], 0))
    claimed = loss[rows, first[rows]]
    assert len(rows) > 1000
    assert abs(true_loss.mean() - claimed.mean()) < 4 * true_loss.std() / math.sqrt(len(rows))
    assert claimed.max() < epsilon


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"effect_sd": -1.0}, "effect_sd == -1"),
        ({"prior_sd": 0.0}, "prior_sd == 0"),
        ({"n_looks": 0}, "n_looks == 0"),
        ({"threshold": 1.0}, "threshold == 1"),
        ({"look_se": 0.0}, "look_se == 0"),
    ],
)
def test_a_design_that_cannot_be_is_refused(changed: dict[str, float], named: str) -> None:
    design = {"effect_sd": 0.1, "prior_sd": 0.1, "n_looks": 2, "n_runs": 2, "seed": 0}
    with pytest.raises(ConfigError, match=named):
        peek(**{**design, **changed})  # type: ignore[arg-type]


def test_no_runs_no_figures() -> None:
    found = peek(effect_sd=0.1, prior_sd=0.1, n_looks=2, n_runs=0, seed=0)
    assert found.n_stopped == 0
    assert math.isnan(found.claimed)
    assert math.isnan(found.stopped_share)


def bernoulli_tests(runs: int, looks: int, per_look: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True difference, and z of the chance to win at each look, of tests with rates near .1 and a matched prior."""
    sd = 0.01
    base = 0.1
    effect = sd * rng.standard_normal(runs)
    n = per_look * np.arange(1, looks + 1)
    control = np.cumsum(rng.binomial(per_look, base, (runs, looks)), axis=1) / n
    rate = np.clip(base + effect, 0, 1)[:, np.newaxis]
    treatment = np.cumsum(rng.binomial(per_look, rate, (runs, looks)), axis=1) / n
    variance = (control * (1 - control) + treatment * (1 - treatment)) / n
    precision = 1 / variance + 1 / sd**2
    return effect, (treatment - control) / variance / np.sqrt(precision)


@pytest.mark.long
def test_the_bar_claimed_minus_actual_is_at_most_a_hundredth() -> None:
    """Chance to win > .95, matched prior, up to 200 looks; Gaussian looks and real Bernoulli counts."""
    for effect_sd in (0.1, 0.2, 1.0):
        found = peek(effect_sd=effect_sd, prior_sd=effect_sd, n_looks=200, n_runs=200_000, seed=31)
        assert calibration_bound(found) < 0.01
        assert found.claimed - found.actual <= 0.01
    rng = np.random.default_rng(32)
    claims: list[np.ndarray] = []
    truths: list[np.ndarray] = []
    for _ in range(10):
        effect, z = bernoulli_tests(5_000, 40, 500, rng)
        above = z > special.ndtri(0.95)
        rows = np.flatnonzero(above.any(axis=1))
        claims.append(special.ndtr(z[rows, above.argmax(axis=1)[rows]]))
        truths.append(effect[rows] > 0)
    claimed, actual = np.concatenate(claims), np.concatenate(truths)
    assert 4 * math.sqrt(0.05 * 0.95 / len(actual)) < 0.01
    assert claimed.mean() - actual.mean() <= 0.01
