"""Probabilities of being best against published figures, exact integrals and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.bandits.best_arm import beta_best_arm, gaussian_best_arm, highest
from experiments.bandits.thompson_gaussian import ThompsonGaussian
from experiments.bayes import best_arm as exact

SUMS, SQUARES = np.array([10.0, 20, 30, 300]), np.array([2000.0, 2000, 2000, 20000])
P_BEST = [0.011032752409, 0.015627654614, 0.021718637151, 0.951620955825]


def test_reference_case() -> None:
    """'bandit best-arm probabilities': Gaussian posteriors around the means of 1000 rewards each."""
    variance = (SQUARES - SUMS**2 / 1000) / 999
    assert gaussian_best_arm(SUMS / 1000, np.sqrt(variance / 1000)) == pytest.approx(P_BEST, abs=1e-9)


def test_reference_case_through_the_policy() -> None:
    policy = ThompsonGaussian(["a", "b", "c", "d"])
    policy.update_many(["a", "b", "c", "d"], SUMS, counts=[1000] * 4, sum_squares=SQUARES)
    assert policy.propensities() == pytest.approx(P_BEST, abs=0.01)


sizes = st.sampled_from([1.0, 2.0, 7.0, 60.0, 900.0, 20_000.0])


@given(st.lists(st.tuples(sizes, sizes), min_size=2, max_size=12))
@settings(max_examples=60)
def test_beta_agrees_with_the_exact_integral(arms: list[tuple[float, float]]) -> None:
    a, b = np.array(arms).T
    assert beta_best_arm(a, b) == pytest.approx(exact.beta_best_arm(a, b).p_best, abs=1e-3)


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([1e-3, 0.05, 1.0, 4.0])), min_size=2, max_size=12))
@settings(max_examples=60)
def test_gaussian_agrees_with_the_exact_integral_whatever_the_unit(arms: list[tuple[float, float]]) -> None:
    mean, sd = np.array(arms).T
    best = gaussian_best_arm(mean, sd)
    assert best == pytest.approx(exact.gaussian_best_arm(mean, sd).p_best, abs=1e-3)
    assert gaussian_best_arm(1000 * mean + 5, 1000 * sd) == pytest.approx(best, abs=1e-6)


def test_many_rows_are_those_of_each_row() -> None:
    rng = np.random.default_rng(1)
    mean, sd = rng.normal(size=(2100, 3)), rng.uniform(0.1, 2, (2100, 3))
    rows = gaussian_best_arm(mean, sd)
    for row in (0, 1023, 1024, 2099):
        assert rows[row] == pytest.approx(gaussian_best_arm(mean[row], sd[row]), abs=1e-12)
    assert gaussian_best_arm(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.filterwarnings("error")
def test_certainty_and_huge_means() -> None:
    assert gaussian_best_arm([1.0, 2.0, 2.0], [0.0, 0.0, 0.0]).tolist() == [0.0, 0.5, 0.5]
    assert gaussian_best_arm([0.0, 0.0], [0.0, 1.0]) == pytest.approx([0.5, 0.5], abs=1e-3)
    assert gaussian_best_arm([1e18, 1e18, 0.0], [1.0, 1.0, 1.0]) == pytest.approx([0.5, 0.5, 0.0])
    assert beta_best_arm(np.array([5e8, 4e8, 1.0]), np.array([5e8, 6e8, 1.0])) == pytest.approx([0.5, 0, 0.5], abs=1e-3)


def test_ties_share() -> None:
    assert highest([[1.0, 1.0], [0.0, np.inf]]).tolist() == [[0.5, 0.5], [0.0, 1.0]]
