"""A simulation's aggregates in MLflow: what the snapshots hold, day by day and strategy by strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cli.simulation_results import Results, day_name
from events.traffic_aggregate import Window
from experiments.over_time.traffic_windows import TrafficWindows
from tracking.client import Tracker
from tracking.traffic_days import Row, complete_days, log_traffic_day

_DAY = 86_400
_SO_FAR: tuple[Window, ...] = ("day", "week", "month")


class SimulationHistory:
    """Brings MLflow up to date with what the log amounts to.

    Args:
        tracker: Where to.
        simulation: The simulation's id.
        params: What each run records.
    """

    def __init__(self, tracker: Tracker, simulation: str, params: Mapping[str, Any]) -> None:
        self._tracker, self._simulation, self._params = tracker, simulation, params
        self._complete = complete_days(tracker, simulation)

    def tell(self, found: Results) -> None:
        """Log the intervals that are over, and day, week and month until now.

        Raises:
            TrackingError: MLflow refused.
        """
        arms, until = found.simulation.world.arms, found.until
        for strategy, kinds in found.windows.items():
            for start in kinds["day"].starts.tolist():
                date, complete = day_name(start), until >= start + _DAY
                if (date, strategy) in self._complete:
                    continue
                log_traffic_day(
                    self._tracker,
                    self._simulation,
                    date,
                    strategy,
                    rows=_rows(kinds["interval"], arms, start, until, found.simulation.plan.interval),
                    so_far=_so_far(kinds, arms, start),
                    complete=complete,
                    params=self._params,
                )
                if complete:
                    self._complete.add((date, strategy))


def _rows(windows: TrafficWindows, arms: Sequence[str], day: int, until: int, interval: int) -> list[Row]:
    """Of the day's intervals that are over; the step is the interval's number in the day."""
    over = (windows.starts >= day) & (windows.starts < day + _DAY) & (windows.starts + interval <= until)
    return [
        (int(windows.starts[place] - day) // interval, _metrics(windows, arms, place, ""))
        for place in np.flatnonzero(over).tolist()
    ]


def _so_far(kinds: Mapping[Window, TrafficWindows], arms: Sequence[str], day: int) -> Row:
    """The day and its week and month; the step is the sessions of the day until now."""
    metrics: dict[str, float] = {}
    for kind in _SO_FAR:
        # The window that holds the day: the last that begins no later.
        place = int(np.searchsorted(kinds[kind].starts, day, side="right")) - 1
        metrics |= _metrics(kinds[kind], arms, place, f"{kind}/")
    place = int(np.searchsorted(kinds["day"].starts, day))
    return int(kinds["day"].impressions[place].sum()), metrics


def _metrics(windows: TrafficWindows, arms: Sequence[str], place: int, prefix: str) -> dict[str, float]:
    found = {f"{prefix}cumulative_regret": float(windows.regret.cumulative[place])}
    for index, arm in enumerate(arms):
        if windows.impressions[place, index]:
            found[f"{prefix}ctr/{arm}"] = float(windows.ctr[place, index])
        found[f"{prefix}share/{arm}"] = float(windows.share[place, index])
    return {**found, f"{prefix}regret": float(windows.regret.interval[place])}
