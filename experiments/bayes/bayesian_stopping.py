"""Stopping on a posterior: by expected loss, and what becomes of its claims when one looks again and again.

A posterior keeps its word at any look, however often one looked before, if effects really come from its prior: the data
condition on themselves, and why one stopped adds nothing. ``peek`` shows it. It says nothing of other effects: with a
flat prior, whoever stops at the first chance to win above .95 will call a winner in most A/A tests if the test runs
long enough, because a flat prior is the belief that effects of any size are as likely as none. Therefore the sequential
reading (``experiments.looks.sequential``) decides, and the Bayesian one stands beside it.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError
from experiments.bayes.bayesian_lift import BayesianComparison

Floats = npt.NDArray[np.float64]
#: ``too_few_units``: fewer than the minimum; ``unknown``: the comparison has no figures; ``loss_too_large``: deciding
#: now could cost more than one cares about; ``loss_small``: it could not.
StopReason = Literal["too_few_units", "unknown", "loss_too_large", "loss_small"]
#: Simulated tests that are held in memory at a time, in numbers.
_BLOCK = 4_000_000


class LossStop(NamedTuple):
    """Whether one may stop, and with which arm.

    Attributes:
        choice: ``treatment`` or ``control``: stop and choose it; ``continue``.
        expected_loss: Of the better-looking arm, in the lift's unit; NaN where it is not known.
        reason: Of ``StopReason``.
    """

    choice: Literal["continue", "treatment", "control"]
    expected_loss: float
    reason: StopReason


def stop_by_loss(posterior: BayesianComparison, *, threshold_of_caring: float, n: int, min_n: int) -> LossStop:
    """Stop as soon as choosing the better-looking arm loses less than one cares about, on average.

    Stop where min(E[loss treatment], E[loss control]) < ε (Stucchio 2015, Bayesian A/B testing at VWO), and
    not before ``min_n``: the normal model of the estimates must hold.

    >>> posterior = BayesianComparison(0.03, 0.005, 0.055, 0.99, 0.0001, 0.0301, "relative", "ok")
    >>> stop_by_loss(posterior, threshold_of_caring=0.001, n=900, min_n=500)
    LossStop(choice='treatment', expected_loss=0.0001, reason='loss_small')

    Args:
        posterior: Of treatment against control.
        threshold_of_caring: ε > 0, in the unit of the posterior's lift: .001 is .1 % of a relative one.
        n: Units in the smaller arm.
        min_n: Units that each arm must have before a stop, >= 2.

    Raises:
        ConfigError: threshold_of_caring or min_n is not allowed.
    """
    if not 0 < threshold_of_caring < math.inf:
        raise ConfigError(f"threshold_of_caring == {threshold_of_caring}, must be finite and above 0")
    if min_n < 2:
        raise ConfigError(f"min_n == {min_n}, must be >= 2: one unit has no variance")
    risk = posterior.risk
    if posterior.status != "ok" or math.isnan(risk):
        return LossStop("continue", math.nan, "unknown")
    if n < min_n:
        return LossStop("continue", risk, "too_few_units")
    if risk >= threshold_of_caring:
        return LossStop("continue", risk, "loss_too_large")
    chosen: Literal["treatment", "control"] = (
        "treatment" if posterior.expected_loss_treatment <= posterior.expected_loss_control else "control"
    )
    return LossStop(chosen, risk, "loss_small")


class Peeking(NamedTuple):
    """What came of many tests that were stopped at the first look whose chance to win was high enough.

    Attributes:
        n_runs: Tests.
        n_stopped: Of these stopped, with the treatment as the winner.
        claimed: Mean chance to win at the stop; NaN where none stopped.
        actual: Share of the stopped whose effect is above 0; NaN likewise.
        stopped_by_look: (n_looks,) share of the tests stopped at that look or before.
    """

    n_runs: int
    n_stopped: int
    claimed: float
    actual: float
    stopped_by_look: Floats

    @property
    def stopped_share(self) -> float:
        """Share of the tests that were stopped; with effects of 0 the false discoveries. NaN without tests."""
        return self.n_stopped / self.n_runs if self.n_runs else math.nan


def peek(
    *,
    effect_sd: float,
    prior_sd: float,
    n_looks: int,
    n_runs: int,
    seed: int,
    threshold: float = 0.95,
    look_se: float = 1.0,
) -> Peeking:
    """Simulate tests that stop at the first look with a chance to win above ``threshold``.

    Each test has an effect δ ~ N(0, effect_sd²). A look brings an independent estimate of it with standard error
    ``look_se``, so that after t looks δ̂ ~ N(δ, look_se² / t). The analyst's prior is N(0, prior_sd²): the chance to
    win is Φ(t δ̂ / look_se² / √(t / look_se² + 1 / prior_sd²)).

    Matched, prior_sd = effect_sd: claimed equals actual, whatever the stopping rule (Deng, Lu & Chen 2016, Continuous
    monitoring of A/B tests without pain, DSAA, arXiv 1602.05549). With a flat prior false discoveries grow:

    >>> matched = peek(effect_sd=0.2, prior_sd=0.2, n_looks=50, n_runs=20_000, seed=1)
    >>> round(matched.claimed, 2), round(matched.actual, 2)
    (0.96, 0.96)
    >>> flat = peek(effect_sd=0.0, prior_sd=math.inf, n_looks=50, n_runs=20_000, seed=1)
    >>> flat.stopped_by_look[[0, 9, 49]].round(2).tolist()
    [0.05, 0.17, 0.27]

    Args:
        effect_sd: Of the true effects, >= 0; 0 is an A/A test.
        prior_sd: Of the analyst's prior, > 0; inf is flat.
        n_looks: Looks at most, >= 1.
        n_runs: Tests, >= 0.
        seed: Same seed, same tests.
        threshold: Stop above it, .5 … 1.
        look_se: Standard error of what one look brings, > 0.

    Raises:
        ConfigError: A parameter is not allowed.
    """
    _check_design(effect_sd, prior_sd, n_looks, n_runs, threshold, look_se)
    looks = np.arange(1, n_looks + 1)
    # z of the chance to win is the running sum of the looks times this.
    per_sum = 1 / (look_se**2 * np.sqrt(looks / look_se**2 + 1 / prior_sd**2))
    stopped = np.zeros(n_looks, np.int64)
    claimed = right = 0.0
    rng = np.random.default_rng(seed)
    for runs in _blocks(n_runs, max(1, _BLOCK // n_looks)):
        effect = effect_sd * rng.standard_normal(runs)
        estimates = effect[:, np.newaxis] + look_se * rng.standard_normal((runs, n_looks))
        z = np.cumsum(estimates, axis=1) * per_sum
        above = z > special.ndtri(threshold)
        first, any_above = above.argmax(axis=1), above.any(axis=1)
        stopped += np.bincount(first[any_above], minlength=n_looks)
        claimed += float(special.ndtr(z[any_above, first[any_above]]).sum())
        right += float(np.count_nonzero(effect[any_above] > 0))
    n_stopped = int(stopped.sum())
    shares = np.cumsum(stopped) / n_runs if n_runs else np.full(n_looks, np.nan)
    if n_stopped == 0:
        return Peeking(n_runs, 0, math.nan, math.nan, shares)
    return Peeking(n_runs, n_stopped, claimed / n_stopped, right / n_stopped, shares)


def _blocks(n_runs: int, size: int) -> list[int]:
    return [min(size, n_runs - start) for start in range(0, n_runs, size)]


def _check_design(
    effect_sd: float, prior_sd: float, n_looks: int, n_runs: int, threshold: float, look_se: float
) -> None:
    if not 0 <= effect_sd < math.inf:
        raise ConfigError(f"effect_sd == {effect_sd}, must be finite and >= 0")
    if not prior_sd > 0:
        raise ConfigError(f"prior_sd == {prior_sd}, must be above 0; inf is the flat prior")
    if n_looks < 1 or n_runs < 0:
        raise ConfigError(f"n_looks == {n_looks}, n_runs == {n_runs}; must be >= 1 and >= 0")
    if not 0.5 <= threshold < 1:
        raise ConfigError(f"threshold == {threshold}, must be >= 0.5 and below 1")
    if not 0 < look_se < math.inf:
        raise ConfigError(f"look_se == {look_se}, must be finite and above 0")
