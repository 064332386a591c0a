"""Traffic by window (every few minutes, day, week, month): what each arm got and brought, and the regret so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import DataError
from experiments.over_time.regret_curves import RegretCurve, counted_regret

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class TrafficCells(NamedTuple):
    """One strategy's traffic, added up: a row per window, run and arm that has any; the order does not matter.

    Attributes:
        start: (n,) seconds since 1970 at which the window begins.
        run: (n,) the repetition, 0 … n_runs - 1.
        arm: (n,) index of the arm, 0 … n_arms - 1.
        impressions: (n,) sessions that were shown the arm.
        clicks: (n,) of these, clicked.
        propensity: (n,) sum of the probabilities with which they were shown it.
    """

    start: Integers
    run: Integers
    arm: Integers
    impressions: Floats
    clicks: Floats
    propensity: Floats


@dataclass(frozen=True, eq=False)
class TrafficWindows:
    """One strategy's traffic in m windows, all runs together.

    Attributes:
        starts: (m,) seconds since 1970, ascending.
        impressions: (m, k) sessions that were shown each arm.
        clicks: (m, k) of these, clicked.
        propensity: (m, k) mean probability with which they were shown it; NaN where nobody was.
        regret: In clicks of one run, with bands over the runs.
        run_regret: (n_runs,) each run's regret in all windows together.
        run_ctr: (n_runs, k) each run's click rate of each arm over all windows; NaN where nobody was shown it.
    """

    starts: Integers
    impressions: Floats
    clicks: Floats
    propensity: Floats
    regret: RegretCurve
    run_regret: Floats
    run_ctr: Floats

    @property
    def ctr(self) -> Floats:
        """(m, k) click rate of each arm; NaN where nobody was shown it."""
        return _ratio(self.clicks, self.impressions)

    @property
    def share(self) -> Floats:
        """(m, k) share of the traffic that each arm got."""
        return _ratio(self.impressions, self.impressions.sum(axis=1, keepdims=True))


class Least(NamedTuple):
    """Who lost least, and by how much less than the next.

    Attributes:
        strategy: With the lowest mean regret.
        next: With the second lowest; empty if there is no other.
        difference: Mean regret of the next minus that of the first; NaN if there is no other.
        ci_lower: Lower end of the interval of the difference, paired by run; NaN with fewer than two runs.
        ci_upper: Upper end.
    """

    strategy: str
    next: str
    difference: float
    ci_lower: float
    ci_upper: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval lies above 0."""
        return self.ci_lower > 0


def traffic_windows(cells: TrafficCells, means: npt.ArrayLike, *, n_runs: int, alpha: float = 0.05) -> TrafficWindows:
    """Put one strategy's cells together.

    >>> cells = TrafficCells(*(np.array(column) for column in ([0, 0, 60], [0, 0, 0], [0, 1, 1], [3.0, 1.0, 2.0],
    ...     [1.0, 1.0, 0.0], [1.5, 0.5, 2.0])))
    >>> windows = traffic_windows(cells, [0.2, 0.5], n_runs=1)
    >>> windows.share.tolist(), windows.regret.cumulative.round(3).tolist()
    ([[0.75, 0.25], [0.0, 1.0]], [0.9, 0.9])

    Args:
        cells: What the log adds up to.
        means: (k,) the true click rate of each arm.
        n_runs: Repetitions, >= 1.
        alpha: See ``counted_regret``.

    Returns:
        The windows that have traffic; none without cells.

    Raises:
        DataError: A run or arm is out of range, or the runs have not the same windows.
    """
    truth = np.asarray(means, np.float64)
    k = len(truth)
    for name, values, size in (("run", cells.run, n_runs), ("arm", cells.arm, k)):
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < size:
            raise DataError(f"{name} runs from {values.min()} to {values.max()}, must be 0 … {size - 1}")
    starts, window = np.unique(cells.start, return_inverse=True)
    shape = (n_runs, len(starts), k)
    place = np.ravel_multi_index((cells.run, window, cells.arm), shape) if len(starts) else np.zeros(0, np.int64)

    def table(values: Floats) -> Floats:
        return np.bincount(place, values, math.prod(shape)).reshape(shape).astype(np.float64)

    impressions, clicks = table(cells.impressions), table(cells.clicks)
    chosen = impressions.sum(axis=(0,))
    return TrafficWindows(
        starts=starts.astype(np.int64),
        impressions=chosen,
        clicks=clicks.sum(axis=0),
        propensity=_ratio(table(cells.propensity).sum(axis=0), chosen),
        regret=counted_regret(impressions, truth, alpha=alpha),
        run_regret=(impressions @ (truth.max() - truth)).sum(axis=1),
        run_ctr=_ratio(clicks.sum(axis=1), impressions.sum(axis=1)),
    )


def least_regret(regrets: Mapping[str, Floats], *, alpha: float = 0.05) -> Least:
    """Who lost least on the same traffic: strategies are compared run by run, by the paired t interval.

    >>> least_regret({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([11.0, 13.0, 12.0])}).told_apart
    True

    Args:
        regrets: Strategy to the (n_runs,) regret of each run; at least one strategy.
        alpha: The interval misses the difference with this probability. The two were chosen by looking: with many
            strategies of about the same regret it says too much.

    Raises:
        DataError: There is no strategy, or no run.
    """
    if not regrets or not all(len(values) for values in regrets.values()):
        raise DataError("there is no strategy with a run to compare")
    order = sorted(regrets, key=lambda name: float(regrets[name].mean()))
    if len(order) == 1:
        return Least(order[0], "", math.nan, math.nan, math.nan)
    apart = regrets[order[1]] - regrets[order[0]]
    n, mean = len(apart), float(apart.mean())
    width = -float(special.stdtrit(n - 1, alpha / 2)) * float(apart.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Least(order[0], order[1], mean, mean - width, mean + width)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """The quotient; NaN where the bottom is 0."""
    return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan), np.float64)
