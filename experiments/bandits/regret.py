"""What learning costs: the regret of a policy, over many simulated runs at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.bandits.context_free import ContextFree
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_POINTS = 50


class Regret(NamedTuple):
    """Cumulative regret after some steps: Σ (best mean - mean of the arm chosen), in the unit of the reward.

    Attributes:
        steps: (c,) decisions made, ascending; the last are all.
        mean: (c,) over the runs.
        standard_error: (c,) of that mean; NaN with one run.
        lower: (c,) 5 % of the runs have less.
        upper: (c,) 5 % of the runs have more.
        shares: (k,) share of all decisions that each arm got, over the runs.
        final: (n_runs,) regret of each run at the end.
    """

    steps: Integers
    mean: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats
    shares: Floats
    final: Floats


def simulate_regret(
    policy: ContextFree,
    means: npt.ArrayLike,
    *,
    n_steps: int,
    n_runs: int,
    rng: np.random.Generator,
    batch: int = 1,
    noise_sd: float | None = None,
) -> Regret:
    """Let a policy choose and learn, in many runs side by side.

    All runs take each step together, so that a step is a handful of operations on (n_runs, k) numbers. The rule is the
    policy's own ``index``; its priors, burn-in and floor hold, what it has learned and how it forgets do not enter. The
    regret is that of the arms' means (pseudo-regret; Lattimore & Szepesvári 2020, Bandit Algorithms, eq. 4.1), which
    has the expectation of that of the rewards and less noise.

    >>> from experiments.bandits.ucb1 import UCB1
    >>> rng = np.random.default_rng(1)
    >>> regret = simulate_regret(UCB1(["a", "b"]), [0.9, 0.1], n_steps=200, n_runs=50, rng=rng)
    >>> int(regret.steps[-1]), bool(5 < regret.mean[-1] < 40)
    (200, True)

    Args:
        policy: With k arms.
        means: (k,) expected reward of each arm.
        n_steps: Decisions of each run, >= 1.
        n_runs: Runs, >= 1.
        rng: Where all randomness comes from.
        batch: Decisions after which the rewards since become known, >= 1; 1 is at once.
        noise_sd: Standard deviation of normal rewards; None for rewards of 0 and 1.

    Raises:
        ConfigError: An argument out of range, or another number of means than of arms.
    """
    mean = _checked(policy, means, n_steps, n_runs, batch, noise_sd)
    k, prior = len(mean), policy.statistics()
    runs = np.arange(n_runs) * k
    sums = np.zeros((3, n_runs * k))
    known = sums.copy()
    total, every = np.zeros(n_runs), np.unique(np.linspace(1, n_steps, min(_POINTS, n_steps)).astype(np.int64))
    kept: list[Floats] = []
    wanted = set(every.tolist())
    for step in range(1, n_steps + 1):
        arm = _chosen(policy, prior, known.reshape(3, n_runs, k), rng)
        expected = mean[arm]
        reward = _rewards(expected, noise_sd, rng)
        cell = runs + arm
        sums[0, cell] += 1.0
        sums[1, cell] += reward
        sums[2, cell] += reward * reward
        total += mean.max() - expected
        if batch == 1:
            known = sums
        elif step % batch == 0:
            known = sums.copy()
        if step in wanted:
            kept.append(total.copy())
    return _summed_up(every, np.stack(kept), sums[0].reshape(n_runs, k).mean(axis=0) / n_steps)


def _summed_up(steps: Integers, table: Floats, shares: Floats) -> Regret:
    """Of the (c, n_runs) regret of each run at each point."""
    n_runs = table.shape[1]
    error = table.std(axis=1, ddof=1) / np.sqrt(n_runs) if n_runs > 1 else np.full(len(table), np.nan)
    lower, upper = np.quantile(table, [0.05, 0.95], axis=1)
    return Regret(steps, table.mean(axis=1), error, lower, upper, shares, table[-1])


def _chosen(policy: ContextFree, prior: ArmStatistics, known: Floats, rng: np.random.Generator) -> Integers:
    """(n_runs,) arms."""
    n, sums, squares = known
    weight = n + prior.prior_strength
    untried = (n < policy.burn_in) | (weight <= 0)
    waiting = bool(untried.any())
    if waiting:
        # Any number does for an arm that is chosen, or left, without its index.
        n = np.where(untried, np.maximum(n, 1.0), n)
    statistics = ArmStatistics(n, sums, squares, prior.prior_mean, prior.prior_strength, weight.sum(axis=1))
    index = policy.index(statistics, rng)
    if waiting:
        index = np.where(untried, np.inf, index)
    arm = np.asarray(index.argmax(axis=1), np.int64)
    if waiting or policy.has_ties:
        top = index == np.take_along_axis(index, arm[:, np.newaxis], axis=1)
        tied = np.flatnonzero(np.count_nonzero(top, axis=1) > 1)
        arm[tied] = np.where(top[tied], rng.random((len(tied), top.shape[1])), -1.0).argmax(axis=1)
    share = policy.floor * n.shape[1]
    if share > 0:
        explores = rng.random(len(arm)) < share
        arm = np.where(explores, rng.integers(n.shape[1], size=len(arm)), arm)
    return arm


def _rewards(expected: Floats, noise_sd: float | None, rng: np.random.Generator) -> Floats:
    if noise_sd is None:
        return (rng.random(len(expected)) < expected).astype(np.float64)
    return expected + noise_sd * rng.standard_normal(len(expected))


def _checked(
    policy: ContextFree, means: npt.ArrayLike, n_steps: int, n_runs: int, batch: int, noise_sd: float | None
) -> Floats:
    mean = np.asarray(means, np.float64)
    if mean.shape != (len(policy.arms),) or not np.isfinite(mean).all():
        raise ConfigError(f"means == {means!r}, must be {len(policy.arms)} finite numbers, one for each arm")
    if min(n_steps, n_runs, batch) < 1:
        raise ConfigError(f"n_steps == {n_steps}, n_runs == {n_runs}, batch == {batch}; all must be >= 1")
    if noise_sd is None and not ((mean >= 0) & (mean <= 1)).all():
        raise ConfigError(f"means == {mean.tolist()}, must lie in 0 … 1 for rewards of 0 and 1; else give noise_sd")
    if noise_sd is not None and (not 0 <= noise_sd < np.inf or policy.reward_kind != "real"):
        raise ConfigError(f"noise_sd == {noise_sd}, must be a number >= 0, and {policy.name} must take such rewards")
    return mean
