"""Calibration against scikit-learn, and what it is where there is nothing to draw."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from evaluation.calibration import Foretold, calibration
from evaluation.wilson import wilson_interval


def sample(seed: int, digits: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    return labels, np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), digits)


def test_calibration_agrees_with_scikit_learn() -> None:
    # Eight digits: what lies on an edge belongs to the bin above here, to the one below there.
    labels, probabilities = sample(2, 8)
    found = calibration(Foretold.of(labels, probabilities, edges=np.linspace(0, 1, 11)))
    happened, foretold = calibration_curve(labels, probabilities, n_bins=10)
    filled = found.n > 0
    np.testing.assert_allclose(found.happened[filled], happened)
    np.testing.assert_allclose(found.foretold[filled], foretold)
    assert found.brier == pytest.approx(metrics.brier_score_loss(labels, probabilities))
    gaps = np.abs(found.happened - found.foretold)[filled]
    assert found.ece == pytest.approx(np.average(gaps, weights=found.n[filled]))


def test_true_probabilities_are_calibrated_and_shifted_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    labels = rng.random(50_000) < p
    assert calibration(Foretold.of(labels, p)).ece < 0.01
    assert calibration(Foretold.of(labels, p**2)).ece > 0.1
    inside = calibration(Foretold.of(labels, p))
    held = (inside.ci_lower <= inside.foretold) & (inside.foretold <= inside.ci_upper)
    assert held.mean() >= 0.8


def test_parts_counted_one_after_another_are_the_whole() -> None:
    labels, p = sample(3, 4)
    whole, parts = Foretold.of(labels, p), Foretold.of(labels[:100], p[:100]).plus(Foretold.of(labels[100:], p[100:]))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other)
    with pytest.raises(ValueError, match="bins of both"):
        whole.plus(Foretold.of(labels, p, edges=[0, 0.5, 1]))


def test_calibration_of_nothing_and_of_what_is_no_probability() -> None:
    nothing = calibration(Foretold.of([], []))
    assert np.isnan([nothing.ece, nothing.brier, *nothing.happened]).all()
    with pytest.raises(ValueError, match="probabilities must be 0 … 1"):
        Foretold.of([1], [1.2])
    with pytest.raises(ValueError, match="probabilities must be 0 … 1"):
        Foretold.of([1], [np.nan])
    with pytest.raises(ValueError, match="must ascend from 0 to 1"):
        Foretold.of([1], [0.5], edges=[0, 0.5])


def test_wilson_intervals_agree_with_statsmodels() -> None:
    hits, n = np.array([0, 3, 50, 100]), np.array([5, 10, 60, 100])
    np.testing.assert_allclose(
        wilson_interval(hits, n, alpha=0.1), proportion_confint(hits, n, alpha=0.1, method="wilson"), atol=1e-12
    )
    assert np.isnan(wilson_interval([0], [0])).all()
    with pytest.raises(ValueError, match="alpha == 1"):
        wilson_interval([1], [2], alpha=1)
    with pytest.raises(ValueError, match="successes must be"):
        wilson_interval([3], [2])
