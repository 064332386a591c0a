"""The chance that each arm's draw is the highest: what Thompson sampling chooses with, as numbers instead of draws."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

_POINTS = 96
_STEPS = np.arange(_POINTS) / (_POINTS - 1)
#: Where a posterior is taken to begin and to end, in standard deviations from its mean.
_GAUSSIAN_REACH, _LOGIT_REACH = 6.0, 8.0
#: A posterior narrower than this share of the widest counts as this wide, so that one grid can resolve both.
_NARROWEST = 1e-5
#: Contexts worked on at once: bounds the memory to some ten megabytes at ten arms.
_ROWS = 1024
_SQRT_2PI = math.sqrt(2 * math.pi)


def gaussian_best_arm(mean: npt.ArrayLike, sd: npt.ArrayLike) -> Floats:
    """Chance that each of k independent Gaussian posteriors gives the highest draw.

    p_a = ∫ φ((x - m_a) / s_a) / s_a Π_{b≠a} Φ((x - m_b) / s_b) dx (Russo, Van Roy, Kazerouni, Osband & Wen 2018, A
    Tutorial on Thompson Sampling, arXiv 1707.02038, section 3: probability matching), by the trapezoid rule over
    ``_grid``.

    >>> gaussian_best_arm([0.0, 0.0, 1.0], [1.0, 1.0, 0.5]).round(4).tolist()
    [0.1606, 0.1606, 0.6788]

    Args:
        mean: (k,) or (n, k) posterior means, k >= 1.
        sd: Of the same shape, their standard deviations, >= 0. Where all of a row are 0 the highest mean wins, ties
            share.

    Returns:
        Of the same shape, each row adds up to 1.
    """
    means, sds = np.asarray(mean, np.float64), np.asarray(sd, np.float64)
    if means.ndim == 1:
        return np.asarray(_gaussian_rows(means[np.newaxis], sds[np.newaxis])[0], np.float64)
    parts = [_gaussian_rows(means[i : i + _ROWS], sds[i : i + _ROWS]) for i in range(0, len(means), _ROWS)]
    return np.concatenate(parts) if parts else means.copy()


def highest(values: npt.ArrayLike) -> Floats:
    """1 for the highest of a row, shared evenly where several are highest.

    >>> highest([1.0, 3.0, 3.0]).tolist()
    [0.0, 0.5, 0.5]

    Args:
        values: (..., k).
    """
    table = np.asarray(values, np.float64)
    top = (table == table.max(axis=-1, keepdims=True)).astype(np.float64)
    return np.asarray(top / top.sum(axis=-1, keepdims=True), np.float64)


def beta_best_arm(a: Floats, b: Floats) -> Floats:
    """Chance that each of k independent beta posteriors gives the highest draw.

    The integral of ``gaussian_best_arm`` with beta densities, taken over the logit y of the rate, where the density
    exp(a y - (a + b) ln(1 + e^y)) / B(a, b) is smooth and has one peak for every a, b > 0.

    >>> beta_best_arm(np.array([2.0, 1.0]), np.array([1.0, 1.0])).round(4).tolist()
    [0.6667, 0.3333]

    Args:
        a: (k,) successes plus the prior's, > 0.
        b: (k,) failures plus the prior's, > 0.

    Returns:
        (k,), adds up to 1; the error of each is below .002, mostly far below.
    """
    mean = special.psi(a) - special.psi(b)
    sd = np.sqrt(special.zeta(2.0, a) + special.zeta(2.0, b))
    y, width = _grid(mean[np.newaxis], sd[np.newaxis], _LOGIT_REACH)
    log_density = np.multiply.outer(a, y[0]) - np.multiply.outer(a + b, np.logaddexp(0.0, y[0]))
    log_density -= special.betaln(a, b)[:, np.newaxis]
    mass = np.exp(log_density, out=log_density) * width[0]
    above = mass[:, ::-1].cumsum(axis=1)[:, ::-1] - 0.5 * mass
    # The trapezoid rule's part integrals, corrected to those of a cubic through four points.
    above[:, 1:-1] += (mass[:, 2:] - mass[:, :-2]) / 24
    below = np.clip(1.0 - above, 1e-15, 1.0)
    best = (mass * (below.prod(axis=0) / below)).sum(axis=1)
    return np.asarray(best / best.sum(), np.float64)


def _gaussian_rows(mean: Floats, sd: Floats) -> Floats:
    # Only differences matter, and they are exact where the means are huge beside the deviations.
    mean = mean - mean.max(axis=1, keepdims=True)
    widest = sd.max(axis=1, keepdims=True)
    certain = widest[:, 0] == 0
    spread = np.maximum(sd, np.where(certain[:, np.newaxis], 1.0, _NARROWEST * widest))
    x, width = _grid(mean, spread, _GAUSSIAN_REACH)
    z = (x[:, np.newaxis, :] - mean[:, :, np.newaxis]) / spread[:, :, np.newaxis]
    below = special.ndtr(z)
    mass = np.exp(-0.5 * z * z) * (width[:, np.newaxis, :] / (_SQRT_2PI * spread[:, :, np.newaxis]))
    best = (mass * (below.prod(axis=1, keepdims=True) / below)).sum(axis=2)
    best /= best.sum(axis=1, keepdims=True)
    return np.where(certain[:, np.newaxis], highest(mean), best)


def _grid(mean: Floats, sd: Floats, reach: float) -> tuple[Floats, Floats]:
    """Points x = lo + c sinh(u), u evenly spaced, and the width dx/du du of each: (n, m) both, from (n, k).

    Nothing happens below lo, the highest of the posteriors' lower ends: there some arm is almost surely higher. Hence a
    posterior that matters and has standard deviation s lies within 2 · reach · s of lo, and points whose distance grows
    in proportion to that from lo resolve narrow and wide posteriors alike.
    """
    low = (mean - reach * sd).max(axis=1)
    top = mean + reach * sd
    narrowest = np.where(top > low[:, np.newaxis], sd, np.inf).min(axis=1)
    scale = reach * narrowest
    end = np.arcsinh((top.max(axis=1) - low) / scale)
    u = np.multiply.outer(end, _STEPS)
    points = low[:, np.newaxis] + scale[:, np.newaxis] * np.sinh(u)
    return points, np.cosh(u) * (scale * end / (_POINTS - 1))[:, np.newaxis]
