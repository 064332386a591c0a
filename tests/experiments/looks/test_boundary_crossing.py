"""Crossing probabilities, by quadrature, against closed forms, multivariate normals and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from experiments.looks.boundary_crossing import MIN_STEP, StillGoing, crossing_probabilities

steps = st.lists(st.floats(0.01, 1), min_size=1, max_size=6)
Z = 1.959963984540054


@pytest.mark.parametrize(
    ("n_looks", "share"), [(1, 0.050), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320), (100, 0.374)]
)
def test_naive_looks(n_looks: int, share: float) -> None:
    """Armitage, McPherson & Rowe 1969, table 2."""
    found = crossing_probabilities(range(1, n_looks + 1), [-Z] * n_looks, [Z] * n_looks)
    assert found.upper.sum() + found.lower.sum() == pytest.approx(share, abs=0.001)


@given(steps, st.floats(-3, 3))
def test_one_look_is_a_normal_tail_and_signs_turn(given_steps: list[float], drift: float) -> None:
    information = np.cumsum(given_steps).tolist()
    upper = [2.0] * len(information)
    lower = [-math.inf] * (len(information) - 1) + [-1.0]
    found = crossing_probabilities(information, lower, upper, drift)
    assert found.upper[0] == pytest.approx(stats.norm.sf(2.0 - drift * math.sqrt(information[0])), abs=1e-10)
    turned = crossing_probabilities(information, [-z for z in upper], [-z for z in lower], -drift)
    np.testing.assert_allclose(turned.lower, found.upper, atol=1e-12)
    np.testing.assert_allclose(turned.upper, found.lower, atol=1e-12)


@given(st.floats(0.02, 0.98), st.floats(-2, 2), st.floats(0.5, 3), st.floats(0.5, 3))
@settings(max_examples=40)
def test_two_looks_against_a_bivariate_normal(early: float, drift: float, one: float, two: float) -> None:
    found = crossing_probabilities([early, 1.0], [-math.inf] * 2, [one, two], drift)
    mean = [drift * math.sqrt(early), drift]
    both = stats.multivariate_normal(mean, [[1, math.sqrt(early)], [math.sqrt(early), 1]]).cdf([one, two])
    assert 1 - found.upper.sum() == pytest.approx(both, abs=1e-6)


@given(steps, st.floats(-3, 3), st.floats(0.5, 3))
@settings(max_examples=30)
def test_probabilities_add_up(given_steps: list[float], drift: float, z: float) -> None:
    """The last look splits what is still going in two."""
    information = np.cumsum(given_steps).tolist()
    looks = len(information)
    ends = [z] * (looks - 1) + [0.3]
    found = crossing_probabilities(information, [-z] * (looks - 1) + [0.3], ends, drift)
    assert found.upper.sum() + found.lower.sum() == pytest.approx(1, abs=1e-9)
    assert min(found.upper.min(), found.lower.min()) >= 0


def test_looks_close_together_against_simulation() -> None:
    information = [0.3, 0.3005, 0.31, 1.0]
    found = crossing_probabilities(information, [-1.5] * 4, [1.5] * 4, 0.5)
    rng = np.random.default_rng(11)
    increments = np.diff(information, prepend=0.0)
    sums = np.cumsum(rng.normal(0.5 * increments, np.sqrt(increments), (200_000, 4)), axis=1)
    crossed = np.abs(sums / np.sqrt(information)) >= 1.5
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 4)
    seen = np.bincount(first, minlength=5)[:4] / len(first)
    np.testing.assert_allclose(found.upper + found.lower, seen, atol=4 * math.sqrt(0.25 / len(first)))


def test_nothing_is_left_between_boundaries_that_meet() -> None:
    going = StillGoing.at_start().within(1.0, 0.5, 0.5, 0.0, 1.0)
    assert going.mass.sum() == 0
    assert going.above(2.0, 0.0) == going.below(2.0, 0.0) == 0


@pytest.mark.parametrize("information", [[], [0.0, 1.0], [0.5, 0.5], [1.0, 0.5], [0.5, math.nan], [MIN_STEP / 2, 1.0]])
def test_looks_that_do_not_rise_are_refused(information: list[float]) -> None:
    with pytest.raises(ConfigError, match="must rise"):
        crossing_probabilities(information, [-2.0] * len(information), [2.0] * len(information))


def test_as_many_values_as_looks() -> None:
    with pytest.raises(ConfigError, match="need as many"):
        crossing_probabilities([1.0, 2.0], [-2.0], [2.0, 2.0])
