"""A run per day and strategy, brought up to date without saying anything twice."""

from __future__ import annotations

from tracking.client import Tracker
from tracking.runs import find_runs, read_run
from tracking.traffic_days import MARK, complete_days, log_traffic_day


def day(tracker: Tracker, steps: int, sessions: int, *, complete: bool = False, strategy: str = "fixed") -> str:
    return log_traffic_day(
        tracker,
        "s1",
        "2026-01-31",
        strategy,
        rows=[(step, {MARK: 1.0 + step, "ctr/a": 0.25}) for step in range(steps)],
        so_far=(sessions, {f"day/{MARK}": float(sessions), "day/ctr/a": 0.25}),
        complete=complete,
        params={"batch": 100},
    )


def test_what_is_there_is_not_logged_again(tracker: Tracker) -> None:
    one = day(tracker, 2, 200)
    assert day(tracker, 3, 300) == one
    assert day(tracker, 3, 300) == one
    history = tracker.client.get_metric_history(one, MARK)
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert [point.step for point in tracker.client.get_metric_history(one, "day/ctr/a")] == [200, 300]
    run = read_run(tracker, one)
    assert (run.status, run.name, run.params["batch"]) == ("FINISHED", "fixed 2026-01-31", "100")


def test_a_day_that_is_over_is_complete(tracker: Tracker) -> None:
    day(tracker, 1, 100)
    assert complete_days(tracker, "s1") == set()
    day(tracker, 2, 200, complete=True)
    day(tracker, 1, 100, strategy="ucb1")
    assert complete_days(tracker, "s1") == {("2026-01-31", "fixed")}
    assert complete_days(tracker, "s2") == set()
    assert len(find_runs(tracker, {})) == 2
