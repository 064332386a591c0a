"""How a policy got to know its arms, from the record of its updates: what to plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.bandits.context_free import UpperBound
from experiments.bandits.rewards import checked_rewards
from experiments.bandits.statistics import ArmStatistics

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class BoundCurves(NamedTuple):
    """Means and upper bounds over time.

    Attributes:
        steps: (c,) updates so far, ascending.
        mean: (c, k) mean reward of each arm, with its prior; NaN before anything is known of it.
        upper: (c, k) its upper bound; NaN as well.
    """

    steps: Integers
    mean: Floats
    upper: Floats


class ShareCurves(NamedTuple):
    """Who was chosen over time.

    Attributes:
        steps: (c,) decisions so far, ascending.
        cumulative: (c, k) share of each arm in all decisions so far.
        interval: (c, k) share in the decisions since the point before.
    """

    steps: Integers
    cumulative: Floats
    interval: Floats


def bound_curves(
    policy: UpperBound, arms: Sequence[str], rewards: npt.ArrayLike, *, n_points: int = 100
) -> BoundCurves:
    """What the policy's means and upper bounds were as the recorded rewards came in.

    The policy gives its arms, priors and its formula; what it has learned itself, and how it forgets, does not enter.

    >>> from experiments.bandits.ucb1 import UCB1
    >>> curves = bound_curves(UCB1(["A", "B", "C"]), list("AABABCCC"), [1, 0, 1, 1, 0, 0, 0, 1], n_points=2)
    >>> curves.steps.tolist(), curves.upper.round(4).tolist()
    ([1, 8], [[1.0, nan, nan], [1.8441, 1.942, 1.5107]])

    Args:
        policy: UCB1 or KL-UCB, with k arms.
        arms: (m,) names in the order of the updates; all of them the policy's.
        rewards: (m,).
        n_points: Points wanted, evenly spaced from the first update to the last; fewer where there are fewer updates.

    Raises:
        DataError: An arm is unknown, a reward is wrong, or the lengths differ.
        ConfigError: n_points is below 1.
    """
    place, reward = _places(arms, policy.arms), checked_rewards(rewards, policy.reward_kind)
    if len(place) != len(reward.n):
        raise DataError(f"{len(place)} arms for {len(reward.n)} rewards; must be as many")
    steps = _points(len(place), n_points)
    n, sums, squares = (_running(place, part, len(policy.arms), steps) for part in reward)
    prior = policy.statistics()
    unknown = n + prior.prior_strength <= 0
    total = n.sum(axis=1) + prior.prior_strength.sum()
    seen = ArmStatistics(np.where(unknown, 1.0, n), sums, squares, prior.prior_mean, prior.prior_strength, total)
    mean, upper = (np.where(unknown, np.nan, curve) for curve in (seen.mean, policy.upper_bound(seen)))
    return BoundCurves(steps, mean, upper)


def share_curves(chosen: Sequence[str], arms: Sequence[str], *, n_points: int = 100) -> ShareCurves:
    """Shares of the arms in recorded decisions.

    >>> share_curves(["a", "b", "b", "b"], ["a", "b"], n_points=2).cumulative.tolist()
    [[1.0, 0.0], [0.25, 0.75]]

    Args:
        chosen: (m,) names in the order of the decisions.
        arms: The k arms.
        n_points: As for ``bound_curves``.

    Raises:
        DataError: An arm is unknown.
        ConfigError: n_points is below 1.
    """
    place = _places(chosen, arms)
    steps = _points(len(place), n_points)
    counts = _running(place, np.ones(len(place)), len(arms), steps)
    each = np.diff(counts, axis=0, prepend=0.0)
    return ShareCurves(steps, counts / steps[:, np.newaxis], each / each.sum(axis=1, keepdims=True))


def _places(chosen: Sequence[str], arms: Sequence[str]) -> Integers:
    places = {arm: place for place, arm in enumerate(arms)}
    different, inverse = np.unique(np.asarray(chosen, np.str_), return_inverse=True)
    if strange := [name for name in different.tolist() if name not in places]:
        raise DataError(f"unknown arm {strange[0]!r}; arms: {', '.join(arms)}")
    return np.array([places[name] for name in different.tolist()], np.int64)[inverse]


def _points(m: int, n_points: int) -> Integers:
    if n_points < 1:
        raise ConfigError(f"n_points == {n_points}, must be >= 1")
    if n_points == 1 or m < 2:
        return np.arange(m, m + 1)[: min(m, 1)]
    return np.unique(np.linspace(1, m, min(n_points, m)).round().astype(np.int64))


def _running(place: Integers, values: Floats, k: int, steps: Integers) -> Floats:
    """(c, k) sums by arm after each of the steps; memory grows with c, not with the number of updates."""
    interval = np.searchsorted(steps, np.arange(1, len(place) + 1))
    sums = np.bincount(interval * k + place, values, minlength=len(steps) * k)
    return sums.reshape(len(steps), k).cumsum(axis=0)
