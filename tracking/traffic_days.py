"""Aggregated traffic in MLflow: a run per day and strategy, brought up to date on a timer, never a call per event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking.client import Tracker
from tracking.runs import find_runs, log_metric_history, logged_steps, new_run, resumed_run, set_tags

SIMULATION = "screentest.simulation"
STRATEGY = "screentest.strategy"
DATE = "screentest.date"
_COMPLETE = "screentest.complete"
#: Logged last of a step: where it is, the step is there in whole.
MARK = "regret"
Row = tuple[int, Mapping[str, float]]


def complete_days(tracker: Tracker, simulation: str) -> set[tuple[str, str]]:
    """(date, strategy) of the days that need nothing any more.

    Raises:
        TrackingError: MLflow refused.
    """
    found = find_runs(tracker, {SIMULATION: simulation, _COMPLETE: "yes"})
    return {(run.tags[DATE], run.tags[STRATEGY]) for run in found}


def log_traffic_day(
    tracker: Tracker,
    simulation: str,
    date: str,
    strategy: str,
    *,
    rows: Sequence[Row],
    so_far: Row,
    complete: bool,
    params: Mapping[str, Any],
) -> str:
    """Bring the run of one day and strategy up to date; what it has already is not logged again.

    Args:
        tracker: Where to.
        simulation: Which simulation's.
        date: E.g. "2026-01-31".
        strategy: Its name.
        rows: (step, metrics) of the day's intervals that are over, each with ``MARK``; steps ascend.
        so_far: (step, metrics) of day, week and month until now, with ``day/`` and ``MARK``; the step grows from call
            to call.
        complete: The day is over.
        params: Of a run that is made now.

    Returns:
        The run's id.

    Raises:
        TrackingError: MLflow refused.
    """
    key = {SIMULATION: simulation, DATE: date, STRATEGY: strategy}
    found = find_runs(tracker, key)
    if found:
        with resumed_run(tracker, found[0].run_id) as run_id:
            _bring_up_to_date(tracker, run_id, rows, so_far, complete)
    else:
        with new_run(tracker, f"{strategy} {date}", params=params, tags=key) as run_id:
            _bring_up_to_date(tracker, run_id, rows, so_far, complete)
    return run_id


def _bring_up_to_date(tracker: Tracker, run_id: str, rows: Sequence[Row], so_far: Row, complete: bool) -> None:
    there = logged_steps(tracker, run_id, MARK)
    new = [(step, _mark_last(metrics, MARK)) for step, metrics in rows if step not in there]
    step, metrics = so_far
    if step not in logged_steps(tracker, run_id, f"day/{MARK}"):
        new.append((step, _mark_last(metrics, f"day/{MARK}")))
    log_metric_history(tracker, run_id, new)
    if complete:
        set_tags(tracker, run_id, {_COMPLETE: "yes"})


def _mark_last(metrics: Mapping[str, float], mark: str) -> dict[str, float]:
    return {**{name: value for name, value in metrics.items() if name != mark}, mark: metrics[mark]}
