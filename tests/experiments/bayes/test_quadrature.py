"""Quadrature nodes: densities integrate to 1, whatever the shapes beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.bayes.quadrature import MIN_SHAPE, beta_nodes, gauss_legendre, gaussian_nodes

shapes = st.floats(MIN_SHAPE, 1e5)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(1e-6, 1e3)), min_size=1, max_size=5))
def test_gaussians_of_any_widths_integrate_to_one(arms: list[tuple[float, float]]) -> None:
    mean, sd = np.array(arms).T
    nodes = gaussian_nodes(mean, sd)
    # The widest one's distance from a narrow one, in widths of the narrow one, costs digits.
    assert nodes.density @ nodes.weights == pytest.approx(1, abs=1e-6)
    assert (nodes.density * nodes.points) @ nodes.weights == pytest.approx(mean, abs=1e-6 * (100 + sd.max()))


@given(st.lists(st.tuples(shapes, shapes), min_size=1, max_size=4))
def test_betas_of_any_shape_have_their_mean(arms: list[tuple[float, float]]) -> None:
    a, b = np.array(arms).T
    nodes = beta_nodes(a, b)
    assert (nodes.density * nodes.points) @ nodes.weights == pytest.approx(a / (a + b), abs=1e-8)


def test_beta_density_is_the_textbooks() -> None:
    nodes = beta_nodes(np.array([0.5, 30.0]), np.array([2.0, 700.0]))
    for row, (a, b) in enumerate([(0.5, 2.0), (30.0, 700.0)]):
        inside = (nodes.points > 1e-12) & (nodes.points < 1 - 1e-12)
        textbook = stats.beta.pdf(nodes.points, a, b) * nodes.stretch
        assert nodes.density[row][inside] == pytest.approx(textbook[inside], rel=1e-6, abs=1e-12)
        assert nodes.cdf[row] == pytest.approx(stats.beta.cdf(nodes.points, a, b), abs=1e-12)


def test_panels_are_joined_whatever_their_order() -> None:
    points, weights = gauss_legendre(np.array([2.0, 0.0, np.inf, 1.0, 1.0]))
    assert weights.sum() == pytest.approx(2)
    assert (points**3) @ weights == pytest.approx(4)
