"""A simulation in its folder: rounds, going on, what is made of the log, and MLflow beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli.simulation import Simulation, SimulationPlan, run_rounds
from cli.simulation_page import simulation_html, table_rows
from cli.simulation_results import document, results, strategy_rows, write_snapshots
from cli.simulation_tracking import SimulationHistory
from core.errors import ConfigError, DataError, EventLogError
from experiments.known_world import KnownWorld
from tracking.client import Tracker
from tracking.runs import find_runs
from tracking.traffic_days import DATE, STRATEGY

STRATEGIES = ("fixed", "thompson_beta", "linucb")


def plan_of(**given: Any) -> SimulationPlan:
    return SimulationPlan(**{"strategies": STRATEGIES, "runs": 2, "batch": 50, "interval": 6 * 3600, **given})


def world_of(*means: float, daily: int = 400, first_day: int = 17_000) -> KnownWorld:
    arms = tuple(f"arm{place}" for place in range(len(means)))
    units = [f"u{unit}" for unit in range(800)]
    return KnownWorld(arms, units, np.tile(means, (800, 1)), 5, daily, first_day)


def simulated(folder: Path, sessions: int, world: KnownWorld | None = None, **given: Any) -> Simulation:
    simulation = Simulation(folder, plan_of(**given), world or world_of(0.2, 0.35))
    simulation.advance(sessions)
    return simulation


def contents(folder: Path) -> dict[str, bytes]:
    parts = sorted((folder / "sessions").rglob("*.parquet"))
    return {str(part.relative_to(folder)): part.read_bytes() for part in parts}


def test_every_strategy_meets_the_same_visitors_and_the_same_luck(tmp_path: Path) -> None:
    world = world_of(0.2, 0.35)
    simulated(tmp_path, 400, world)
    rows = pd.read_parquet(tmp_path / "sessions")
    assert len(rows) == 400 * len(STRATEGIES) * 2
    by_session = rows.groupby(["run", "session"])
    for column in ("unit_id", "ts", "device", "channel"):
        assert (by_session[column].nunique() == 1).all()
    # Whoever shows a session the same arm sees the same outcome.
    assert (rows.groupby(["run", "session", "variant"])["reward"].nunique() == 1).all()
    for run in range(2):
        outcomes = world.traffic(0, 400, run=run).outcomes()
        one = rows[(rows["run"] == run) & (rows["strategy"] == "linucb")]
        arm = one["variant"].str.removeprefix("arm").astype(int)
        assert np.array_equal(one["reward"], outcomes[one["session"], arm])
    assert rows["decision_id"].is_unique


@pytest.mark.parametrize("delay", [0, 3])
def test_going_on_is_as_if_never_stopped_to_the_byte(tmp_path: Path, delay: int) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for folder, stops in ((whole, (1_000,)), (parted, (300, 500, 200))):
        for sessions in stops:
            simulated(folder, sessions, delay=delay)
    assert contents(whole).keys() != contents(parted).keys()
    one, two = (
        pd.read_parquet(folder / "sessions").sort_values("decision_id", ignore_index=True) for folder in (whole, parted)
    )
    pd.testing.assert_frame_equal(one, two)
    last = [Simulation(folder, plan_of(delay=delay), world_of(0.2, 0.35)).log for folder in (whole, parted)]
    assert last[0].state() == last[1].state()
    # Cut alike, the files are the same too.
    again = tmp_path / "again"
    for sessions in (300, 500, 200):
        simulated(again, sessions, delay=delay)
    assert contents(again) == contents(parted)


def test_a_killed_round_goes_on_after_its_last_whole_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(tmp_path / "killed", plan_of(), world_of(0.2, 0.35))
    append = simulation.log.append

    def dies_on_the_third_day(*args: Any, **options: Any) -> Path:
        if options["next_session"] > 800:
            raise EventLogError("no space left")
        return append(*args, **options)

    monkeypatch.setattr(simulation.log, "append", dies_on_the_third_day)
    with pytest.raises(EventLogError):
        simulation.advance(1_000)
    resumed = Simulation(tmp_path / "killed", plan_of(), world_of(0.2, 0.35))
    assert resumed.next_session == 800
    looks: list[int] = []
    run_rounds(resumed, sessions=1_000, rounds=1, after=lambda: looks.append(resumed.next_session), quiet=True)
    assert looks == [1_000]
    simulated(tmp_path / "whole", 1_000)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_rounds_come_on_time_until_somebody_stops_them(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, plan_of(strategies=("fixed",)), world_of(0.2, 0.35))
    now, slept, looks = [0.0], [], []

    def look() -> None:
        looks.append(simulation.next_session)
        now[0] += 7.0

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rounds(
            simulation, sessions=100, rounds=0, every=60.0, after=look, quiet=True, sleep=sleep, clock=lambda: now[0]
        )
    assert looks == [100, 200, 300]
    assert slept == [53.0, 53.0, 53.0]
    # Five rounds in all: two are left, and nobody waits after the last.
    slept.clear()
    run_rounds(simulation, sessions=100, rounds=5, every=5.0, after=look, quiet=True, sleep=sleep, clock=lambda: now[0])
    assert looks[3:] == [400, 500]
    assert slept == [0.0]
    run_rounds(simulation, sessions=100, rounds=5, after=look, quiet=True)
    assert looks[5:] == [500]


def test_days_weeks_and_months_of_simulated_time_pass(tmp_path: Path) -> None:
    """1 January 2026, a Thursday, is day 20,454."""
    world = world_of(0.2, 0.35, daily=50, first_day=20_454)
    simulation = simulated(tmp_path, 50 * 35, world, strategies=("fixed",))
    windows = results(simulation).windows["fixed"]
    assert {kind: len(one.starts) for kind, one in windows.items()} == {
        "interval": 35 * 4,
        "day": 35,
        "week": 6,
        "month": 2,
    }
    assert windows["week"].starts[1] == 20_458 * 86_400
    assert windows["month"].impressions.sum(axis=1).tolist() == [31 * 50 * 2, 4 * 50 * 2]


def test_snapshots_hold_what_the_log_adds_up_to(tmp_path: Path) -> None:
    world = world_of(0.2, 0.35)
    simulation = simulated(tmp_path, 1_000, world)
    found = results(simulation)
    write_snapshots(found)
    rows = pd.read_parquet(tmp_path / "sessions")
    day = pd.read_parquet(tmp_path / "snapshots" / "day.parquet").set_index(["strategy", "start", "variant"])
    rows["start"] = rows["ts"].dt.floor("D")
    sums = rows.groupby(["strategy", "start", "variant"])["reward"].agg(["size", "sum", "mean"])
    sums = sums.reindex(day.index)
    assert np.array_equal(day["impressions"], sums["size"].fillna(0))
    assert np.array_equal(day["clicks"], sums["sum"].fillna(0))
    assert day["ctr"].to_numpy() == pytest.approx(sums["mean"].to_numpy(), nan_ok=True)
    assert day["share"].groupby(["strategy", "start"]).sum().to_numpy() == pytest.approx(np.ones(9))
    # A choice of the worse arm loses .15; two runs.
    worse = day["impressions"].xs("arm0", level="variant")
    assert (0.15 * worse / 2).to_numpy() == pytest.approx(day["regret"].xs("arm0", level="variant").to_numpy())
    month = pd.read_parquet(tmp_path / "snapshots" / "month.parquet")
    assert month.groupby("strategy")["cumulative_regret"].first().to_dict() == pytest.approx(
        (day["regret"].xs("arm0", level="variant").groupby("strategy").sum()).to_dict()
    )
    assert json.loads((tmp_path / "summary.json").read_text()) == document(found)
    assert {path.name for path in (tmp_path / "snapshots").iterdir()} == {
        "interval.parquet",
        "day.parquet",
        "week.parquet",
        "month.parquet",
    }


def test_a_planted_difference_is_found_and_learned(tmp_path: Path) -> None:
    found = results(simulated(tmp_path, 4_000, world_of(0.2, 0.35, daily=2_000), runs=4))
    lost = {row["strategy"]: row["regret"] for row in strategy_rows(found)}
    assert lost["fixed"] == pytest.approx(0.15 * 2_000, rel=0.1)
    assert max(lost["thompson_beta"], lost["linucb"]) < lost["fixed"] / 3
    assert found.least.strategy in ("thompson_beta", "linucb")
    assert found.ab is not None
    assert (found.ab.verdict.kind, found.ab.verdict.variant) == ("promote", "arm1")
    assert "arm1" in found.ab.sentence
    assert all(row["found_best"] == 4 for row in strategy_rows(found))
    assert "lost least" in found.sentence()
    page = simulation_html(found, "<made> up")
    assert page.count("<svg") == 2
    assert "&lt;made&gt; up" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len(table_rows(found)) == 3


def test_an_aa_test_finds_nothing(tmp_path: Path) -> None:
    found = results(simulated(tmp_path, 2_000, world_of(0.3, 0.3)))
    assert [row["regret"] for row in strategy_rows(found)] == [0.0, 0.0, 0.0]
    assert found.ab is not None
    assert found.ab.verdict.kind == "continue"
    assert "No arm is better" in found.sentence()
    assert document(found)["best_arm"] is None
    assert "–" in table_rows(found)[0][-1]


def test_one_run_without_a_fixed_split_has_neither_band_nor_verdict(tmp_path: Path) -> None:
    found = results(simulated(tmp_path, 400, strategies=("ucb1",), runs=1))
    assert found.ab is None
    told = document(found)
    assert told["ab_test"] is None
    assert told["strategies"][0]["regret_lower"] is None
    assert simulation_html(found, "").count("<svg") == 3, "one of them the bounds of ucb1"


def test_mlflow_holds_what_the_store_holds(tmp_path: Path, tracker: Tracker) -> None:
    simulation = Simulation(tmp_path, plan_of(), world_of(0.2, 0.35))
    history = SimulationHistory(tracker, simulation.id, {"batch": 50})
    # Rounds that end within a day and within an interval, and a process that is started anew in between.
    for sessions in (150, 250, 300):
        simulation.advance(sessions)
        found = results(simulation)
        write_snapshots(found)
        history.tell(found)
        history.tell(found)
        history = SimulationHistory(tracker, simulation.id, {"batch": 50})
    runs = {(run.tags[STRATEGY], run.tags[DATE]): run for run in find_runs(tracker, {})}
    assert len(runs) == len(STRATEGIES) * 2
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert {run.params["batch"] for run in runs.values()} == {"50"}
    stored = pd.read_parquet(tmp_path / "snapshots" / "interval.parquet")
    until = pd.Timestamp("2016-07-19 18:00:00")
    over = stored[stored["start"] + pd.Timedelta(hours=6) <= until]
    assert len(over) == 7 * 2 * len(STRATEGIES)
    kept = {
        (strategy, date, name, int(point.step)): point.value
        for (strategy, date), run in runs.items()
        for name in run.metrics
        for point in tracker.client.get_metric_history(run.run_id, name)
    }
    names = {"ctr": "ctr/{}", "share": "share/{}", "regret": "regret", "cumulative_regret": "cumulative_regret"}
    expected = {
        (row.strategy, str(row.start.date()), name.format(row.variant), row.start.hour // 6): getattr(row, column)
        for row in over.itertuples()
        for column, name in names.items()
        if not np.isnan(getattr(row, column))
    }
    assert {key: value for key, value in kept.items() if key[2].split("/")[0] not in ("day", "week", "month")} == (
        pytest.approx(expected)
    )
    day = pd.read_parquet(tmp_path / "snapshots" / "day.parquet")
    week = pd.read_parquet(tmp_path / "snapshots" / "week.parquet")
    for row in day.itertuples():
        run = runs[row.strategy, str(row.start.date())]
        assert run.metrics["day/regret"] == pytest.approx(row.regret)
        if row.impressions:
            assert run.metrics[f"day/ctr/{row.variant}"] == pytest.approx(row.ctr)
    for row in week.itertuples():
        assert runs[row.strategy, "2016-07-19"].metrics[f"week/share/{row.variant}"] == pytest.approx(row.share)
    # Told three times, each step is there once.
    one = tracker.client.get_metric_history(runs["fixed", "2016-07-18"].run_id, "regret")
    assert sorted(point.step for point in one) == [0, 1, 2, 3]


def test_another_simulation_is_refused_and_a_damaged_one_named(tmp_path: Path) -> None:
    simulated(tmp_path, 100)
    with pytest.raises(ConfigError, match=r"holds another simulation: delay == 0, now 1; name a new folder"):
        Simulation(tmp_path, plan_of(delay=1), world_of(0.2, 0.35))
    with pytest.raises(ConfigError, match="data == None, now 'other'"):
        Simulation(tmp_path, plan_of(), world_of(0.2, 0.35), {"data": "other"})
    (tmp_path / "simulation.json").write_text("{")
    with pytest.raises(ConfigError, match=r"simulation\.json is damaged"):
        Simulation(tmp_path, plan_of(), world_of(0.2, 0.35))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strategies": ()}, "must be different names"),
        ({"strategies": ("ucb1", "ucb1")}, "must be different names"),
        ({"runs": 0}, "runs == 0"),
        ({"interval": 7_000}, "must divide a day"),
        ({"batch": 300}, "daily == 400, must be a multiple of batch == 300 sessions"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Simulation(tmp_path, plan_of(**given), world_of(0.2, 0.35))
    assert not list(tmp_path.iterdir())


def test_rounds_are_whole_batches(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, plan_of(), world_of(0.2, 0.35))
    with pytest.raises(ConfigError, match="sessions == 120, must be a multiple of batch == 50"):
        simulation.advance(120)
    with pytest.raises(ConfigError, match="sessions == 0"):
        run_rounds(simulation, sessions=0, rounds=1, after=lambda: None)
    with pytest.raises(DataError):
        results(simulation)
