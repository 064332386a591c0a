"""Which of several arms is the best, and what choosing each would lose: by quadrature, without drawing.

For reading an experiment: exact to ten digits, whatever the arms' widths. A bandit that must choose for thousands of
contexts at once uses the coarser grid of ``experiments.bandits.best_arm``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from experiments.bayes.quadrature import MIN_SHAPE, Floats, Nodes, beta_nodes, gaussian_nodes
from experiments.inference.estimates import Estimate


class BestArm(NamedTuple):
    """What is believed of k arms together.

    Attributes:
        p_best: (k,) posterior probability that the arm is the best one, 0 … 1; they add up to 1.
        expected_loss: (k,) E[best arm's value - this arm's], >= 0, in the unit of the values.
    """

    p_best: Floats
    expected_loss: Floats


def gaussian_best_arm(mean: npt.ArrayLike, sd: npt.ArrayLike, *, lower_is_better: bool = False) -> BestArm:
    """Probability of being best, and expected loss, of arms with independent normal posteriors.

    P(arm i best) = ∫ f_i(x) Π_{j≠i} F_j(x) dx (Scott 2010, A modern Bayesian look at the multi-armed bandit, eq. 11),
    and E[max_j θ_j - θ_i] = ∫ F_i(x) (1 - Π_{j≠i} F_j(x)) dx, whose terms are all positive, so that nothing cancels.
    By composite Gauss-Legendre quadrature.

    >>> best = gaussian_best_arm([0.0, 1.0], [1.0, 1.0])
    >>> best.p_best.round(4).tolist(), best.expected_loss.round(4).tolist()
    ([0.2398, 0.7602], [1.1996, 0.1996])

    Args:
        mean: (k,) posterior means.
        sd: (k,) posterior standard deviations, > 0.
        lower_is_better: The best arm is the one with the lowest value.

    Returns:
        One figure an arm; empty without arms; of a single arm 1 and 0.

    Raises:
        DataError: The shapes differ, a mean is not finite, or an sd is not above 0 and finite.
    """
    middle, spread = np.asarray(mean, np.float64), np.asarray(sd, np.float64)
    if middle.ndim != 1 or middle.shape != spread.shape:
        raise DataError(f"mean has shape {middle.shape}, sd {spread.shape}; must be (k,) both")
    if not (np.isfinite(middle).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise DataError("every arm needs a finite mean and a finite sd above 0; leave arms without data out")
    if len(middle) < 2:
        return _without_rival(len(middle))
    # Around 0 and in units of the smallest sd, so that no density under- or overflows.
    scale, centre = float(spread.min()), float(middle[np.argmin(spread)])
    best = _best(gaussian_nodes((-1 if lower_is_better else 1) * (middle - centre) / scale, spread / scale))
    return BestArm(best.p_best, best.expected_loss * scale)


def best_of_estimates(arms: Sequence[Estimate], *, lower_is_better: bool = False) -> BestArm:
    """``gaussian_best_arm`` under flat priors: each posterior is normal around the estimate with its standard error.

    >>> arms = [Estimate(0.10, 1e-4, 900), Estimate(0.13, 1e-4, 900)]
    >>> best_of_estimates(arms).p_best.round(3).tolist()
    [0.017, 0.983]

    Args:
        arms: (k,) estimates. An arm whose status is not ``ok``, or whose variance is 0, makes its own figures and those
            of the others NaN: nothing is known of who is best while an arm is unknown.
        lower_is_better: As in ``gaussian_best_arm``.
    """
    if any(arm.status != "ok" or not 0 < arm.variance < np.inf or not np.isfinite(arm.value) for arm in arms):
        unknown = np.full(len(arms), np.nan)
        return BestArm(unknown, unknown.copy())
    mean = [arm.value for arm in arms]
    return gaussian_best_arm(mean, np.sqrt([arm.variance for arm in arms]), lower_is_better=lower_is_better)


def beta_best_arm(a: npt.ArrayLike, b: npt.ArrayLike, *, lower_is_better: bool = False) -> BestArm:
    """``gaussian_best_arm`` for success rates with independent posteriors Beta(a, b).

    >>> best = beta_best_arm([11, 21], [91, 81])
    >>> best.p_best.round(3).tolist(), best.expected_loss.round(4).tolist()
    ([0.025, 0.975], [0.0985, 0.0005])

    Args:
        a: (k,) prior successes and those seen, >= ``quadrature.MIN_SHAPE``.
        b: (k,) prior failures and those seen, likewise.
        lower_is_better: The best arm is the one with the lowest rate.

    Raises:
        DataError: The shapes differ, or a parameter is too small or not finite.
    """
    hits, misses = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if hits.ndim != 1 or hits.shape != misses.shape:
        raise DataError(f"a has shape {hits.shape}, b {misses.shape}; must be (k,) both")
    if not (np.isfinite(hits + misses).all() and (np.minimum(hits, misses) >= MIN_SHAPE).all()):
        raise DataError(f"a and b of every arm must be finite and >= {MIN_SHAPE}; add a prior to the counts")
    if len(hits) < 2:
        return _without_rival(len(hits))
    # 1 - x of Beta(a, b) is Beta(b, a): the lowest rate of successes is the highest rate of failures.
    return _best(beta_nodes(misses, hits) if lower_is_better else beta_nodes(hits, misses))


def _without_rival(n_arms: int) -> BestArm:
    return BestArm(np.ones(n_arms), np.zeros(n_arms))


def _best(nodes: Nodes) -> BestArm:
    ones = np.ones((1, len(nodes.points)))
    below = np.cumprod(np.vstack([ones, nodes.cdf[:-1]]), axis=0)
    above = np.cumprod(np.vstack([ones, nodes.cdf[:0:-1]]), axis=0)[::-1]
    others = below * above
    p_best = (nodes.density * others) @ nodes.weights
    loss = (nodes.cdf * (1 - others)) @ (nodes.weights * nodes.stretch)
    # Quadrature is off by 1e-12; the probabilities are to add up all the same.
    return BestArm(p_best / p_best.sum(), loss)
