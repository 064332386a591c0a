"""Independent posteriors on one line of nodes: what integrals over the best of several arms are computed from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

#: Below this shape a beta has more than 1e-16 of its probability nearer to 0 or 1 than floating point can tell.
MIN_SHAPE = 0.05
#: Where panels end, in standard normal units of every arm: beyond the outermost ones lies 1e-17 of the probability.
_Z = np.array([-8.5, -6.5, -5, -4, -3.2, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3.2, 4, 5, 6.5, 8.5])
#: Nodes in a panel; a normal density over half a standard deviation is then exact to the last digits.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


class Nodes(NamedTuple):
    """Densities and distribution functions of k independent variables at the same m points.

    Attributes:
        points: (m,) ascending.
        weights: (m,) of the integral over the line on which the densities are given.
        density: (k, m).
        cdf: (k, m), 0 … 1.
        stretch: (m,) change of the variable itself per step on that line; 1 where it is the line.
    """

    points: Floats
    weights: Floats
    density: Floats
    cdf: Floats
    stretch: Floats


def gauss_legendre(ends: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of composite Gauss-Legendre quadrature between consecutive panel ends.

    Args:
        ends: Panel ends in any order; what is not finite or comes twice is left out.

    Returns:
        Nodes, ascending, and weights, (m,) each.
    """
    ends = np.unique(ends[np.isfinite(ends)])
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    return (middle[:, np.newaxis] + half[:, np.newaxis] * _NODES).ravel(), (half[:, np.newaxis] * _WEIGHTS).ravel()


def gaussian_nodes(mean: Floats, sd: Floats) -> Nodes:
    """Normals N(mean, sd²), panels ending at steps of each one's own sd.

    A narrow one beside a wide one is then not missed.

    Args:
        mean: (k,).
        sd: (k,) > 0.
    """
    points, weights = gauss_legendre((mean[:, np.newaxis] + sd[:, np.newaxis] * _Z).ravel())
    z = (points - mean[:, np.newaxis]) / sd[:, np.newaxis]
    density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sd[:, np.newaxis])
    return Nodes(points, weights, density, special.ndtr(z), np.ones_like(points))


def beta_nodes(a: Floats, b: Floats) -> Nodes:
    """Betas, on the line of t = ln(x / (1 - x)), where they have no poles at 0 and 1 whatever their parameters.

    The density of t is x^a (1 - x)^b / B(a, b) and dx = x (1 - x) dt.

    Args:
        a: (k,) >= ``MIN_SHAPE``.
        b: (k,) likewise.
    """
    t, weights = gauss_legendre(beta_panels(a, b).ravel())
    x = np.asarray(special.expit(t), np.float64)
    cdf = np.asarray(special.betainc(a[:, np.newaxis], b[:, np.newaxis], x), np.float64)
    return Nodes(x, weights, logit_beta_density(t, a, b, weights), cdf, x * np.asarray(special.expit(-t), np.float64))


def logit_beta_density(t: Floats, a: Floats, b: Floats, weights: Floats) -> Floats:
    """(k, m) densities of ln(x / (1 - x)), x of Beta(a, b), at t.

    Made to integrate to 1 over the nodes: for a billion trials ln B(a, b) is too large to keep its decimals.

    Args:
        t: (m,) nodes that cover the betas.
        a: (k,).
        b: (k,).
        weights: (m,) of the nodes.
    """
    log_density = -a[:, np.newaxis] * np.logaddexp(0, -t) - b[:, np.newaxis] * np.logaddexp(0, t)
    density: Floats = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return density / (density @ weights)[:, np.newaxis]


def beta_panels(a: Floats, b: Floats) -> Floats:
    """(k, panels) quantiles of each beta on the logit line; infinite where a quantile is 0 or 1 in floating point."""
    tail = special.ndtr(-np.abs(_Z))
    low = special.betaincinv(a[:, np.newaxis], b[:, np.newaxis], tail)
    # The distance to 1, which a quantile near 1 would round away.
    high = special.betaincinv(b[:, np.newaxis], a[:, np.newaxis], tail)
    ends: Floats = np.where(_Z <= 0, special.logit(low), -special.logit(high))
    return ends
