"""Simulated traffic by strategy, arm and window, as one Ibis expression; it runs on DuckDB and on Spark alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

#: ``interval``: every few minutes, as asked for; ``week`` begins on Monday. All of UTC.
Window = Literal["interval", "day", "week", "month"]
WINDOWS: tuple[Window, ...] = get_args(Window)
_DAY = 86_400
#: Day 0 was a Thursday: the Monday of its week lies three days before.
_SINCE_MONDAY = 3
_KEYS = ("strategy", "run", "variant")


class StrategyTraffic(NamedTuple):
    """One strategy's traffic by window of one kind, run and arm; (n,) each, in no order.

    Attributes:
        start: int64 seconds since 1970 at which the window begins.
        run: int64, the repetition.
        variant: str, the arm.
        impressions: float64, sessions that were shown it.
        clicks: float64, sum of their rewards.
        propensity: float64, sum of the probabilities with which they were shown it.
    """

    start: npt.NDArray[np.int64]
    run: npt.NDArray[np.int64]
    variant: npt.NDArray[np.str_]
    impressions: npt.NDArray[np.float64]
    clicks: npt.NDArray[np.float64]
    propensity: npt.NDArray[np.float64]


def strategy_traffic(table: Any, *, interval: int) -> Mapping[tuple[str, Window], StrategyTraffic]:
    """Run the expression and divide its rows by strategy and kind of window.

    Args:
        table: An Ibis table of ``events.simulated_log.COLUMNS``.
        interval: Seconds of a window ``interval``; a day must be a multiple of it.

    Returns:
        Empty of no sessions.

    Raises:
        ConfigError: interval is not allowed.
    """
    found = traffic_expression(table, interval=interval).to_pyarrow()
    strategy, window = (found[name].to_numpy(zero_copy_only=False).astype(str) for name in ("strategy", "window"))
    columns = {
        "start": found["start"].to_numpy().astype(np.int64),
        "run": found["run"].to_numpy().astype(np.int64),
        "variant": found["variant"].to_numpy(zero_copy_only=False).astype(str),
        **{name: found[name].to_numpy().astype(np.float64) for name in ("impressions", "clicks", "propensity")},
    }
    divided: dict[tuple[str, Window], StrategyTraffic] = {}
    for name in np.unique(strategy).tolist():
        for kind in WINDOWS:
            here = (strategy == name) & (window == kind)
            divided[name, kind] = StrategyTraffic(**{key: values[here] for key, values in columns.items()})
    return divided


def traffic_expression(table: Any, *, interval: int) -> Any:
    """The expression that ``strategy_traffic`` runs: one scan, then the few rows of the intervals added up.

    Returns:
        An Ibis table of window, start (seconds since 1970), strategy, run, variant, impressions, clicks, propensity.

    Raises:
        ConfigError: interval is not allowed.
    """
    import ibis

    if not 0 < interval <= _DAY or _DAY % interval:
        raise ConfigError(f"interval == {interval} s, must divide a day, e.g. 300 s (5m) or 3600 s (1h)")
    second = table.ts.epoch_seconds().cast("int64")
    base = table.group_by([*_KEYS, (second - second % interval).name("start")]).aggregate(
        impressions=table.count(), clicks=table.reward.sum(), propensity=table.propensity.sum()
    )
    day = (base.start - base.start % _DAY) // _DAY
    begins = {
        "interval": base.start,
        "day": day * _DAY,
        "week": (day - (day + _SINCE_MONDAY) % 7) * _DAY,
        "month": base.start.as_timestamp("s").truncate("M").epoch_seconds().cast("int64"),
    }
    parts = [
        base.group_by([*_KEYS, begins[window].cast("int64").name("begin")])
        .aggregate(impressions=base.impressions.sum(), clicks=base.clicks.sum(), propensity=base.propensity.sum())
        .rename(start="begin")
        .mutate(window=ibis.literal(window))
        for window in WINDOWS
    ]
    return ibis.union(*parts, distinct=False)
