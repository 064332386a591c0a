"""Simulations that show whether the statistical guarantees hold: seeded, vectorised over runs and looks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError

Floats = npt.NDArray[np.float64]
#: Numbers held at once; runs are taken in blocks of so many.
_BLOCK = 2_000_000


class Left(NamedTuple):
    """Shares of runs whose statistic left an interval around a value at some look.

    Attributes:
        above: Runs that at some look were too high.
        below: Runs that at some look were too low.
        ever: Either.
        n_runs: Runs.
    """

    above: float
    below: float
    ever: float
    n_runs: int


def share_left(
    control: float,
    treatment: float,
    looks: Sequence[int],
    critical: npt.ArrayLike,
    *,
    value: float = 0.0,
    relative: bool = False,
    n_runs: int,
    seed: int,
) -> Left:
    """How often an interval of two shares' difference does not hold a value at one look or more.

    With p̂ of n units an arm at each look: |p̂_t - p̂_c - value| > critical √(p̂_t (1 - p̂_t) / n + p̂_c (1 - p̂_c) / n), or
    the same of p̂_t / p̂_c - 1 with its delta-method standard error (``inference.comparison.difference``). A critical
    value of 1.96 at each look is naive peeking; ``confidence_sequences.critical_values`` are the confidence sequence.

    >>> share_left(0.1, 0.1, [1000, 2000], 8.0, n_runs=50, seed=1).ever
    0.0

    Args:
        control: Probability of a success in the control.
        treatment: In the treatment.
        looks: (K,) units an arm at each look, rising.
        critical: (K,) half-widths in standard errors, or one for all.
        value: The true effect, for coverage; 0 for what is found.
        relative: The effect is relative.
        n_runs: Experiments.
        seed: Same seed, same figures.

    Raises:
        ConfigError: looks do not rise from above 0, or a probability is outside 0 … 1.
    """
    _check_looks(looks)
    if not (0 <= control <= 1 and 0 <= treatment <= 1):
        raise ConfigError(f"control == {control}, treatment == {treatment}; must be 0 … 1")
    n = np.asarray(looks, np.float64)
    width = np.broadcast_to(np.asarray(critical, np.float64), n.shape)
    above, below = np.zeros(n_runs, bool), np.zeros(n_runs, bool)
    generator = np.random.default_rng(seed)
    for block in _blocks(n_runs, len(n)):
        size = block.stop - block.start
        one, two = (_shares(generator, rate, looks, size) for rate in (control, treatment))
        variance = two * (1 - two), one * (1 - one)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Before the control's first success a relative effect is NaN, and a comparison with it False.
            effect = two / one - 1 if relative else two - one
            spread = (variance[0] + variance[1] * (two / one) ** 2) / one**2 if relative else variance[0] + variance[1]
            apart, half = effect - value, width * np.sqrt(spread / n)
            above[block], below[block] = (apart > half).any(axis=1), (apart < -half).any(axis=1)
    return Left(float(above.mean()), float(below.mean()), float((above | below).mean()), n_runs)


def share_left_by_means(looks: Sequence[int], critical: npt.ArrayLike, *, sigma: float, n_runs: int, seed: int) -> Left:
    """The same for the difference of two means of a skewed number per unit: log-normal, alike in both arms.

    >>> share_left_by_means([500, 1000], 8.0, sigma=1.0, n_runs=50, seed=1).ever
    0.0

    Args:
        looks: (K,) units an arm at each look, rising.
        critical: (K,) half-widths in standard errors, or one for all.
        sigma: Of the logarithm, >= 0: skewness 6.2 at 1.
        n_runs: Experiments.
        seed: Same seed, same figures.

    Raises:
        ConfigError: looks do not rise from above 0.
    """
    _check_looks(looks)
    n = np.asarray(looks, np.float64)
    places = np.asarray(looks) - 1
    width = np.broadcast_to(np.asarray(critical, np.float64), n.shape)
    above, below = np.zeros(n_runs, bool), np.zeros(n_runs, bool)
    generator = np.random.default_rng(seed)
    for block in _blocks(n_runs, looks[-1]):
        sums = []
        for _ in range(2):
            drawn = generator.lognormal(sigma=sigma, size=(block.stop - block.start, looks[-1]))
            mean = np.cumsum(drawn, axis=1)[:, places] / n
            squares = np.cumsum(drawn * drawn, axis=1)[:, places] / n
            sums.append((mean, (squares - mean * mean) / (n - 1)))
        half = width * np.sqrt(sums[0][1] + sums[1][1])
        apart = sums[1][0] - sums[0][0]
        above[block], below[block] = (apart > half).any(axis=1), (apart < -half).any(axis=1)
    return Left(float(above.mean()), float(below.mean()), float((above | below).mean()), n_runs)


def sample_ratio_alarms(
    share: float,
    looks: Sequence[int],
    *,
    alpha: float,
    intended: float = 0.5,
    sequential: bool = True,
    n_runs: int,
    seed: int,
    prior_units: float = 100.0,
) -> float:
    """Share of experiments in which a sample ratio test of two arms alarms at some look.

    ``experiments.inference.srm`` over whole arrays: the Dirichlet mixture, or Pearson's chi-squared read at every look.

    >>> sample_ratio_alarms(0.4, [1000, 2000], alpha=0.001, n_runs=50, seed=1)
    1.0

    Args:
        share: Of units that the first arm gets in truth.
        looks: (K,) units of both arms at each look, rising.
        alpha: Alarm below this p-value.
        intended: Share that the first arm was meant to get, above 0 and below 1.
        sequential: The sequential test, or the fixed one.
        n_runs: Experiments.
        seed: Same seed, same figures.
        prior_units: As in ``experiments.inference.srm.sequential_srm``.

    Raises:
        ConfigError: looks do not rise from above 0, or intended is not allowed.
    """
    _check_looks(looks)
    if not 0 < intended < 1:
        raise ConfigError(f"intended == {intended}, must be above 0 and below 1")
    alarmed = np.zeros(n_runs, bool)
    generator = np.random.default_rng(seed)
    n = np.asarray(looks, np.float64)
    for block in _blocks(n_runs, len(n)):
        first = _shares(generator, share, looks, block.stop - block.start) * n
        if sequential:
            alarms = _mixture_pvalue(first, n, intended, prior_units) < alpha
        else:
            alarms = (first - n * intended) ** 2 / (n * intended * (1 - intended)) > special.chdtri(1, alpha)
        alarmed[block] = alarms.any(axis=1)
    return float(alarmed.mean())


def binomial_bound(rate: float, n_runs: int, *, errors: float = 3.0) -> float:
    """What a simulated share may be and still agree with a rate: the rate plus some standard errors.

    >>> round(binomial_bound(0.05, 1900), 3)
    0.065
    """
    return rate + errors * math.sqrt(rate * (1 - rate) / n_runs)


def _mixture_pvalue(first: Floats, n: Floats, intended: float, prior_units: float) -> Floats:
    log_odds = math.lgamma(prior_units) - special.gammaln(prior_units + n)
    for count, share in ((first, intended), (n - first, 1 - intended)):
        prior = prior_units * share
        log_odds = log_odds + special.gammaln(prior + count) - math.lgamma(prior) - count * math.log(share)
    return np.asarray(np.exp(np.minimum(-log_odds, 0.0)), np.float64)


def _shares(generator: np.random.Generator, rate: float, looks: Sequence[int], n_runs: int) -> Floats:
    """(n_runs, K) share of successes at each look; what lies between two looks is drawn at once."""
    steps = np.diff(np.asarray(looks, np.int64), prepend=0).astype(np.int64)
    if (steps[1:] == 1).all():
        # Unit by unit a comparison is faster than a binomial draw.
        rest = generator.random((n_runs, len(steps) - 1), np.float32) < rate
        drawn = np.concatenate([generator.binomial(steps[0], rate, (n_runs, 1)), rest], axis=1)
    else:
        drawn = generator.binomial(steps, rate, (n_runs, len(steps)))
    return np.asarray(np.cumsum(drawn, axis=1) / np.asarray(looks, np.float64), np.float64)


def _blocks(n_runs: int, width: int) -> Iterator[slice]:
    size = max(1, _BLOCK // width)
    return (slice(start, min(start + size, n_runs)) for start in range(0, n_runs, size))


def _check_looks(looks: Sequence[int]) -> None:
    steps = np.diff(np.asarray(looks, np.float64), prepend=0.0)
    if len(steps) == 0 or not (steps >= 1).all():
        raise ConfigError(f"{len(steps)} looks, must be one at least, each later than the one before by a unit or more")
