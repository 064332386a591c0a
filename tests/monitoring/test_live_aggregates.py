"""Live traffic in MLflow: a run per day and strategy whose last values are what a count of the log says."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from core.errors import TrackingError
from events.database import reading
from events.experiments import create_experiment
from events.store import EventStore
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE
from monitoring import live_aggregates
from monitoring.live_aggregates import LiveAggregates
from tests.monitoring.conftest import Shown, clicked
from tracking.client import Tracker
from tracking.live_days import EXPERIMENT, LIVE
from tracking.runs import find_runs
from tracking.traffic_days import DATE, STRATEGY

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400


def told(tracker: Tracker) -> dict[tuple[str, str, str], dict[str, float]]:
    """What MLflow says now, by day, experiment and strategy; each once."""
    found = {}
    for run in find_runs(tracker, {}):
        key = (run.tags[DATE], run.tags[EXPERIMENT], run.tags[STRATEGY])
        assert key not in found, f"two runs of {key}"
        found[key] = run.metrics
    return found


def counted(engine: Engine) -> dict[tuple[str, str, str], dict[str, float]]:
    """The same from every row of the log, in plain Python, each variant a strategy."""
    query = """SELECT e.decision_id, e.ts, e.experiment, e.variant, e.error, o.reward, o.kind
        FROM exposures e LEFT JOIN outcomes o ON o.decision_id = e.decision_id"""
    sessions: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(dict)
    with reading(engine) as connection:
        for decision, ts, experiment, variant, error, reward, kind in connection.execute(text(query)):
            key = (f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d}", experiment, variant)
            row = sessions[key].setdefault(decision, [float(bool(error)), 0.0, 0.0])
            row[1] = max(row[1], float(kind == "click" and reward > 0))
            row[2] += reward or 0.0
    of_experiment: dict[tuple[str, str], int] = defaultdict(int)
    for (day, experiment, _), rows in sessions.items():
        of_experiment[day, experiment] += len(rows)
    return {
        (day, experiment, variant): {
            "impressions": len(rows),
            "failed": sum(row[0] for row in rows.values()),
            "clicks": sum(row[1] for row in rows.values()),
            "reward": pytest.approx(sum(row[2] for row in rows.values())),
            "share": pytest.approx(len(rows) / of_experiment[day, experiment]),
            "ctr": pytest.approx(sum(row[1] for row in rows.values()) / len(rows)),
        }
        for (day, experiment, variant), rows in sessions.items()
    }


def test_after_each_round_mlflow_says_what_the_log_says(
    engine: Engine, store: EventStore, shown: Shown, tracker: Tracker
) -> None:
    aggregates = LiveAggregates(engine, tracker.uri, experiment="screentest")
    assert aggregates.round() == 0
    draw, first = random.Random(1), {}
    for round_number in range(4):
        for number in range(15):
            decision, variant = f"d{round_number}-{number}", draw.choice(("control", "challenger", "champion"))
            first.setdefault(number, variant)
            if draw.random() < 0.3:
                # Its click is there before it.
                clicked(store, decision, variant, "2", NOON)
            # Midnight is among them.
            shown(decision, variant, NOON + draw.uniform(0, DAY_S), clicks=draw.choice((0, 0, 1, 2)))
            if round_number and draw.random() < 0.5:
                # Late, and perhaps of the day before.
                clicked(store, f"d0-{number}", first[number], "3", NOON + 2 * DAY_S)
        assert aggregates.round() > 0
        assert told(tracker) == counted(engine)
    assert aggregates.round() == 0
    assert len({key[0] for key in told(tracker)}) == 2


def test_a_worker_that_was_killed_leaves_nothing_wrong_behind(
    engine: Engine, shown: Shown, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        shown(f"d{number}", ("control", "challenger")[number % 2], NOON, clicks=number % 3)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # MLflow has been told, the database does not know it yet.
        patched.setattr(live_aggregates, "mark_told", killed)
        with pytest.raises(KeyboardInterrupt):
            LiveAggregates(engine, tracker.uri, experiment="screentest").round()
    shown("later", "control", NOON, clicks=1)
    assert LiveAggregates(engine, tracker.uri, experiment="screentest").round() == 2
    assert told(tracker) == counted(engine)
    # Two workers after each other are one log's: the same runs.
    assert len({run.tags[LIVE] for run in find_runs(tracker, {})}) == 1


def test_mlflow_away_costs_time_and_no_figure(engine: Engine, shown: Shown, tracker: Tracker) -> None:
    shown("d1", "control", NOON, clicks=1)
    away = LiveAggregates(engine, "http://127.0.0.1:9", experiment="screentest")
    with pytest.raises(TrackingError, match="cannot be reached"):
        away.round()
    shown("d2", "control", NOON)
    with pytest.raises(TrackingError):
        away.round()
    LiveAggregates(engine, tracker.uri, experiment="screentest").round()
    assert told(tracker) == counted(engine)


def test_a_run_that_somebody_deleted_is_made_again(engine: Engine, shown: Shown, tracker: Tracker) -> None:
    aggregates = LiveAggregates(engine, tracker.uri, experiment="screentest")
    shown("d1", "control", NOON)
    aggregates.round()
    tracker.client.delete_run(find_runs(tracker, {})[0].run_id)
    shown("d2", "control", NOON)
    with pytest.raises(TrackingError):
        aggregates.round()
    aggregates.round()
    assert told(tracker) == counted(engine)


def test_the_strategies_of_a_test_with_lanes_are_its_lanes(engine: Engine, shown: Shown, tracker: Tracker) -> None:
    create_experiment(engine, "home", {})
    for number, (lane, variant, clicks) in enumerate(
        [
            (FIXED_LANE, "a", 1),
            (FIXED_LANE, "b", 0),
            (BANDIT_LANE, "b", 1),
            (BANDIT_LANE, "b", 1),
            (BANDIT_LANE, "a", 0),
        ]
    ):
        shown(f"d{number}", variant, NOON, clicks=clicks, experiment="home", step=lane)
    LiveAggregates(engine, tracker.uri, experiment="screentest").round()
    found = told(tracker)
    assert found.keys() == {("2026-01-31", "home", "fixed"), ("2026-01-31", "home", "bandit")}
    bandit = found["2026-01-31", "home", "bandit"]
    assert (bandit["impressions"], bandit["clicks"], bandit["share"]) == (3, 2, 0.6)
    assert bandit["ctr"] == pytest.approx(2 / 3)
    assert (bandit["ctr/b"], bandit["ctr/a"], bandit["share/b"]) == (1.0, 0.0, pytest.approx(2 / 3))


def test_names_that_mlflow_cannot_keep_are_told_all_the_same(engine: Engine, shown: Shown, tracker: Tracker) -> None:
    create_experiment(engine, "it's", {})
    for number, variant in enumerate(('a "b" & c', "새것")):
        shown(f"d{number}", variant, NOON, clicks=number, experiment="it's", step=FIXED_LANE)
    for _ in range(2):
        # A second worker finds the run of the first.
        LiveAggregates(engine, tracker.uri, experiment="screentest").round()
        shown("later", "새것", NOON, clicks=1, experiment="it's", step=FIXED_LANE)
    assert found(told(tracker)["2026-01-31", "it_s", "fixed"], "ctr/") == {"a _b_ _ c": 0.0, "새것": 1.0}


def found(metrics: dict[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
