"""Regret over time: what choosing otherwise than the best arm has cost, from logs or from simulated truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.comparison import check_alpha

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_Band = tuple[Floats, Floats, Floats]
#: ``no_choices``: nothing was logged; ``unseen_arm``: an arm has fewer than two choices, so that its mean, and whether
#: it is the best, is unknown: the regret is against the best of the others; ``too_few_runs``: one run has no band.
RegretStatus = Literal["ok", "no_choices", "unseen_arm", "too_few_runs"]


@dataclass(frozen=True, eq=False)
class RegretCurve:
    """Regret of consecutive intervals, and of everything until the end of each.

    Attributes:
        ends: (m,) int64, choices made by the end of each interval.
        interval: (m,) float64, regret of the interval.
        interval_lower: (m,) lower end of its band.
        interval_upper: (m,) upper end.
        cumulative: (m,) regret from the start.
        cumulative_lower: (m,) lower end of its band.
        cumulative_upper: (m,) upper end.
        best_arm: The arm that it is measured against; -1: none is known, or the best one changes.
        status: ``ok``, or see ``RegretStatus``.
    """

    ends: Integers
    interval: Floats
    interval_lower: Floats
    interval_upper: Floats
    cumulative: Floats
    cumulative_lower: Floats
    cumulative_upper: Floats
    best_arm: int
    status: RegretStatus


def logged_regret(
    arms: npt.ArrayLike,
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    *,
    n_arms: int,
    every: int,
    alpha: float = 0.05,
) -> RegretCurve:
    """Estimated regret of a policy against always choosing the arm with the best mean.

    Each arm's mean over the whole log is self-normalised by its propensities (Swaminathan & Joachims 2015, The
    Self-Normalized Estimator, eq. 6): μ̂_a = Σ_{i: a} w_i r_i / Σ_{i: a} w_i, w = 1 / propensity, with variance
    v_a = Σ w² (r - μ̂_a)² / (Σ w)², for a policy prefers an arm just while it looks good. With N_a choices of arm a,
    regret is Σ_a N_a (μ̂_best - μ̂_a), its variance (Σ_{a ≠ best} N_a)² v_best + Σ_{a ≠ best} N_a² v_a. Means must not
    drift. The band is pointwise; which arm is the best counts as known: where two arms are all but equal, the one that
    happens to lead is taken and the regret told is a little too large.

    >>> curve = logged_regret([0, 1, 0, 1, 0, 0], [1, 0, 1, 1, 1, 0], [0.5] * 6, n_arms=2, every=3)
    >>> curve.best_arm, curve.interval.tolist(), curve.cumulative.tolist(), curve.status
    (0, [0.25, 0.25], [0.25, 0.5], 'ok')

    Args:
        arms: (n,) int, the arm of each choice, in order of time, 0 … n_arms - 1.
        rewards: (n,) its reward.
        propensities: (n,) probability with which the policy chose it, above 0, at most 1.
        n_arms: Arms that could be chosen, >= 1.
        every: Choices in an interval, >= 1; the last may have fewer.
        alpha: Each band misses the regret with this probability.

    Returns:
        The curve; NaN where ``status`` is ``no_choices``.

    Raises:
        ConfigError: n_arms, every or alpha is not allowed.
        DataError: The shapes do not fit, an arm or propensity is out of range, or a reward is not finite.
    """
    check_alpha(alpha)
    arm, reward, weight = _checked_log(arms, rewards, propensities, n_arms, every)
    if len(arm) == 0:
        return _unknown(np.empty(0, np.int64), "no_choices")
    mean, variance = _arm_means(arm, reward, weight, n_arms)
    known = np.isfinite(variance)
    if not known.any():
        return _unknown(_ends(len(arm), every), "unseen_arm")
    best = int(np.argmax(np.where(known, mean, -np.inf)))
    # Choices of an arm whose mean is unknown count with their own rewards, as if they were sure.
    gap = mean[best] - np.where(np.isnan(mean), mean[best], mean)
    elsewhere = _choices(arm, n_arms, every) * (np.arange(n_arms) != best)
    spread = np.where(known, variance, 0.0)
    z = -float(special.ndtri(alpha / 2))

    def band(table: Floats) -> _Band:
        regret = table @ gap
        width = z * np.sqrt(table.sum(axis=1) ** 2 * spread[best] + table**2 @ spread)
        return regret, regret - width, regret + width

    single, summed = band(elsewhere), band(np.cumsum(elsewhere, axis=0))
    return RegretCurve(_ends(len(arm), every), *single, *summed, best, "ok" if known.all() else "unseen_arm")


def simulated_regret(choices: npt.ArrayLike, means: npt.ArrayLike, *, every: int, alpha: float = 0.05) -> RegretCurve:
    """Expected regret of a policy, from runs in which the truth is known.

    The regret of a choice is max_a μ_a - μ_chosen, whatever the reward drawn (pseudo-regret: Bubeck & Cesa-Bianchi
    2012, Regret Analysis, section 1). The band is that of the mean over runs: mean ± t s / √runs, t of runs - 1 degrees
    of freedom.

    >>> curve = simulated_regret([[0, 1, 1], [1, 1, 1]], [0.1, 0.3], every=2)
    >>> curve.cumulative.round(3).tolist(), curve.best_arm
    ([0.1, 0.1], 1)

    Args:
        choices: (n_runs, n) int, the arms chosen, 0 … n_arms - 1.
        means: (n_arms,) true means, or (n, n_arms) if they drift.
        every: Choices in an interval, >= 1; the last may have fewer.
        alpha: Each band misses the expected regret with this probability.

    Returns:
        The curve; its bands are NaN with fewer than two runs.

    Raises:
        ConfigError: every or alpha is not allowed.
        DataError: The shapes do not fit, an arm is out of range, or a mean is not finite.
    """
    check_alpha(alpha)
    _check_every(every)
    chosen, truth = np.asarray(choices), np.asarray(means, np.float64)
    if chosen.ndim != 2 or truth.ndim not in (1, 2) or truth.shape[-1] == 0 or not np.isfinite(truth).all():
        raise DataError(
            f"choices has shape {chosen.shape}, means {truth.shape}; must be (n_runs, n) and finite, (arms,)"
        )
    n_runs, n = chosen.shape
    if truth.ndim == 2 and len(truth) != n:
        raise DataError(f"means has {len(truth)} rows for {n} choices; give one a choice, or one for all")
    _check_arms(chosen, truth.shape[-1])
    if n_runs == 0 or n == 0:
        return _unknown(_ends(n, every), "no_choices")
    arm = chosen.astype(np.int64)
    gained = truth[arm] if truth.ndim == 1 else truth[np.arange(n), arm]
    ends = _ends(n, every)
    interval = np.add.reduceat(truth.max(axis=-1) - gained, np.concatenate([[0], ends[:-1]]), axis=1)
    best = np.unique(truth.argmax(axis=-1))
    return _over_runs(ends, interval, int(best[0]) if len(best) == 1 else -1, alpha)


def counted_regret(counts: npt.ArrayLike, means: npt.ArrayLike, *, alpha: float = 0.05) -> RegretCurve:
    """``simulated_regret`` from how often each arm was chosen in each interval, however long the intervals are.

    >>> curve = counted_regret([[[2, 1], [0, 1]]], [0.1, 0.3])
    >>> curve.ends.tolist(), curve.cumulative.round(3).tolist(), curve.status
    ([3, 4], [0.4, 0.4], 'too_few_runs')

    Args:
        counts: (n_runs, m, n_arms) choices of each arm in each of m intervals, in order of time; all runs have as many
            choices in an interval.
        means: (n_arms,) true means.
        alpha: Each band misses the expected regret with this probability.

    Returns:
        As ``simulated_regret``.

    Raises:
        ConfigError: alpha is not allowed.
        DataError: The shapes do not fit, a count is negative, runs differ in choices, or a mean is not finite.
    """
    check_alpha(alpha)
    table, truth = np.asarray(counts, np.float64), np.asarray(means, np.float64)
    if table.ndim != 3 or truth.shape != table.shape[2:] or truth.size == 0 or not np.isfinite(truth).all():
        raise DataError(
            f"counts has shape {table.shape}, means {truth.shape}; must be (n_runs, m, arms) and (arms,), finite"
        )
    sizes = table.sum(axis=2)
    if not (table >= 0).all() or not (sizes == sizes[:1]).all():
        raise DataError("counts must be >= 0, and every run must have as many choices in an interval as the others")
    if sizes.size == 0:
        return _unknown(np.zeros(table.shape[1], np.int64), "no_choices")
    ends = np.cumsum(sizes[0]).astype(np.int64)
    return _over_runs(ends, table @ (truth.max() - truth), int(truth.argmax()), alpha)


def _over_runs(ends: Integers, interval: Floats, best_arm: int, alpha: float) -> RegretCurve:
    """The curve of (n_runs, m) regrets of intervals, n_runs >= 1."""
    n_runs = len(interval)
    t = -float(special.stdtrit(max(n_runs - 1, 1), alpha / 2))

    def band(table: Floats) -> _Band:
        regret = table.mean(axis=0)
        width = t * table.std(axis=0, ddof=1) / math.sqrt(n_runs) if n_runs > 1 else np.full(len(ends), np.nan)
        return regret, regret - width, regret + width

    summed = np.cumsum(interval, axis=1)
    return RegretCurve(ends, *band(interval), *band(summed), best_arm, "ok" if n_runs > 1 else "too_few_runs")


def _choices(arm: Integers, n_arms: int, every: int) -> Floats:
    """(m, n_arms) choices of each arm in each interval."""
    interval = np.arange(len(arm)) // every
    counts = np.bincount(interval * n_arms + arm, minlength=(int(interval[-1]) + 1) * n_arms)
    return counts.reshape(-1, n_arms).astype(np.float64)


def _arm_means(arm: Integers, reward: Floats, weight: Floats, n_arms: int) -> tuple[Floats, Floats]:
    """Self-normalised mean of each arm and its variance; NaN for the variance of arms with fewer than two choices."""
    whole = np.bincount(arm, weight, n_arms)
    chosen = np.bincount(arm, minlength=n_arms)
    safe = np.where(chosen > 0, whole, 1.0)
    mean = np.where(chosen > 0, np.bincount(arm, weight * reward, n_arms) / safe, np.nan)
    apart = weight * (reward - mean[arm])
    variance = np.bincount(arm, apart**2, n_arms) / safe**2
    return mean, np.where(chosen > 1, variance, np.nan)


def _checked_log(
    arms: npt.ArrayLike, rewards: npt.ArrayLike, propensities: npt.ArrayLike, n_arms: int, every: int
) -> tuple[Integers, Floats, Floats]:
    _check_every(every)
    if not n_arms >= 1:
        raise ConfigError(f"n_arms == {n_arms}, must be >= 1")
    arm, reward, propensity = np.asarray(arms), np.asarray(rewards, np.float64), np.asarray(propensities, np.float64)
    if not arm.shape == reward.shape == propensity.shape or arm.ndim != 1:
        raise DataError(
            f"arms has shape {arm.shape}, rewards {reward.shape}, propensities {propensity.shape}; must all be (n,)"
        )
    _check_arms(arm, n_arms)
    if not np.isfinite(reward).all():
        raise DataError(f"{np.count_nonzero(~np.isfinite(reward))} rewards are not finite; leave these choices out")
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise DataError("propensities must be above 0 and at most 1")
    return arm.astype(np.int64), reward, 1 / propensity


def _check_arms(arm: npt.NDArray[np.generic], n_arms: int) -> None:
    if arm.size and (arm.dtype.kind not in "iu" or int(arm.min()) < 0 or int(arm.max()) >= n_arms):
        raise DataError(f"arms must be whole numbers 0 … {n_arms - 1}")


def _check_every(every: int) -> None:
    if not every >= 1:
        raise ConfigError(f"every == {every}, must be 1 choice or more an interval")


def _ends(n: int, every: int) -> Integers:
    return np.minimum(np.arange(every, n + every, every), n).astype(np.int64)


def _unknown(ends: Integers, status: RegretStatus) -> RegretCurve:
    unknown = np.full(len(ends), np.nan)
    band: _Band = (unknown, unknown, unknown)
    return RegretCurve(ends, *band, *band, -1, status)
