"""Live traffic in MLflow: a run per day and strategy, told in batches while the day goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tracking.client import Tracker
from tracking.runs import find_runs, log_metrics, new_run
from tracking.traffic_days import DATE, STRATEGY

#: Run tag: id of the event log that the figures are of.
LIVE = "screentest.live"
#: Run tag: name of the experiment on the policy server.
EXPERIMENT = "screentest.ab_experiment"
_NO_METRIC = re.compile(r"[^\w\-./: ]")


class LiveDays:
    """The runs of one event log.

    Args:
        tracker: Where to.
        log: The log's id, so that another log's days are runs of their own.
    """

    def __init__(self, tracker: Tracker, log: str) -> None:
        self._tracker, self._log = tracker, log
        self._runs: dict[tuple[str, str, str], str] = {}

    def tell(self, day: str, experiment: str, strategy: str, metrics: Mapping[str, float], *, step: int) -> str:
        """Bring the run of a day and strategy up to date; it is made where there is none.

        Told again, the same changes nothing: of one step a metric's last value stands.

        Args:
            day: E.g. "2026-01-31".
            experiment: The spec's name.
            strategy: Unique in the experiment.
            metrics: Name to value.
            step: Grows with what is known.

        Returns:
            The run's id.

        Raises:
            TrackingError: MLflow refused.
        """
        key = (day, experiment, strategy)
        run_id = self._runs.get(key)
        if run_id is None:
            run_id = self._runs[key] = self._run(*key)
        log_metrics(self._tracker, run_id, {metric_name(name): value for name, value in metrics.items()}, step=step)
        return run_id

    def _run(self, day: str, experiment: str, strategy: str) -> str:
        told = {LIVE: self._log, DATE: day, EXPERIMENT: experiment, STRATEGY: strategy}
        # MLflow cannot search for a quote.
        tags = {name: re.sub("[\"']", "_", value) for name, value in told.items()}
        found = find_runs(self._tracker, tags)
        if found:
            return found[0].run_id
        params: dict[str, Any] = {"day": day, "experiment": experiment, "strategy": strategy}
        with new_run(self._tracker, f"{experiment} {strategy} {day}", params=params, tags=tags) as run_id:
            return run_id


def metric_name(name: str) -> str:
    """As MLflow takes it: what it does not allow becomes ``_``; ``ctr/bold & new`` is ``ctr/bold _ new``."""
    return _NO_METRIC.sub("_", name)
