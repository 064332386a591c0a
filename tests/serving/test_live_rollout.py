"""Whole rollouts on simulated traffic: real model servers and a real policy server over real HTTP, in a small world."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from cli import rollout
from core.errors import ConfigError, ServerError, UnknownName
from core.settings import load_settings
from events.aggregate import count_exposures
from events.database import open_database
from experiments.result import RolloutResult
from loaders.prepared import write_prepared
from serving import live_rollout
from serving.live_rollout import FinishedRollout, resume_rollout, run_rollout
from serving.processes import poll
from serving.rollout_folder import RolloutFolder, RolloutRequest
from serving.traffic import Traffic, TrafficSummary
from tests.small_registry import MODEL_NAME, SmallLoader, register_small_models
from tracking.client import connect, database_uri
from tracking.registry import list_versions
from tracking.runs import read_run, read_text

CHAMPION, CHALLENGER = f"models:/{MODEL_NAME}/1", f"models:/{MODEL_NAME}/2"
#: Looks every 100 sessions; with this seed ease is promoted a few looks after the last step has begun.
SPEC: dict[str, Any] = {
    "name": "small",
    "unit": "visitor_id",
    "variants": {"champion": CHAMPION, "challenger": CHALLENGER},
    "analysis": {"n_star": 300},
    "stopping": {"look_every": 100, "min_challenger_sessions": 30},
    "rollout": {
        "steps": [
            {"percent": 10, "sessions": 100},
            {"percent": 25, "sessions": 200},
            {"percent": 50, "sessions": 1200},
        ],
        "watch_sessions": 150,
    },
}

RESUME = """
import sys
from pathlib import Path
from serving.live_rollout import resume_rollout
resume_rollout(Path(sys.argv[1]))
"""


#: Children that other tests of this process keep to its end.
_OTHERS: set[int] = set()


@pytest.fixture(scope="module", autouse=True)
def others() -> None:
    _OTHERS.update(child.pid for child in psutil.Process().children(recursive=True))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data`` (a prepared data set) and ``registry`` (popularity is version 1, ease version 2)."""
    folder = tmp_path_factory.mktemp("world")
    loader = SmallLoader()
    write_prepared(loader, folder / "data")
    register_small_models(folder / "registry", {"popularity": {}, "ease": {}}, loader.train())
    return folder


@dataclass
class Place:
    """Makes requests, each with a folder and a model registry of its own."""

    prepared: Path
    folder: Path

    def request(self, name: str, **given: Any) -> RolloutRequest:
        registry = self.folder / name / "registry"
        shutil.copytree(self.prepared / "registry", registry, ignore=shutil.ignore_patterns("artifacts", "saved"))
        values = {
            "spec": SPEC,
            "seed": 1,
            "n_visitors": 2000,
            "connections": 16,
            "run_dir": self.folder / name / "run",
            "dataset": self.prepared / "data",
            "tracking_uri": database_uri(registry),
        }
        return RolloutRequest.build(**{**values, **given})


@pytest.fixture
def place(prepared: Path, tmp_path: Path) -> Place:
    return Place(prepared, tmp_path)


@pytest.fixture(scope="module")
def run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RolloutRequest, FinishedRollout]:
    request = Place(prepared, tmp_path_factory.mktemp("undisturbed")).request("rollout")
    return request, run_rollout(request)


@pytest.fixture(scope="module")
def undisturbed(run: tuple[RolloutRequest, FinishedRollout]) -> RolloutResult:
    return run[1].result


def timeless(result: RolloutResult) -> RolloutResult:
    """The result without what no seed determines: times, and how many events shared a commit."""
    return replace(result, looks=tuple(replace(look, latency_p95_ms=0.0, log_commits=0) for look in result.looks))


def aliases(request: RolloutRequest) -> dict[str, tuple[str, ...]]:
    versions = list_versions(connect(request.tracking_uri), MODEL_NAME)
    return {version.version: tuple(sorted(version.aliases)) for version in versions}


def children_of(pid: int, *, serving: str = "") -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [child for child in found if child.pid not in _OTHERS and serving in " ".join(child.cmdline())]


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def strike(monkeypatch: pytest.MonkeyPatch, session: int, act: Callable[[], None]) -> None:
    """Do something once, when all sessions before the given one are acknowledged, in the middle of a look."""

    class Struck(Traffic):
        def drive(self, first: int, last: int, **named: Any) -> TrafficSummary:
            if first < session < last:
                super().drive(first, session, **named)
                act()
                first = session
            return super().drive(first, last, **named)

    monkeypatch.setattr(live_rollout, "Traffic", Struck)


def kill_server(words: str) -> Callable[[], None]:
    """An act: kill -9 the child whose command line holds the words."""

    def act() -> None:
        (server,) = children_of(os.getpid(), serving=words)
        server.kill()

    return act


def test_a_better_model_is_promoted_and_everything_is_written_down(
    run: tuple[RolloutRequest, FinishedRollout],
) -> None:
    request, finished = run
    result = finished.result
    assert children_of(os.getpid(), serving="serving.") == [], "no server and no reaper is left"
    assert (result.decision, result.control, result.challenger) == ("promote", "popularity", "ease")
    assert result.champion_after == "2"
    assert aliases(request) == {"1": ("previous",), "2": ("champion",)}
    assert [step.percent for step in result.steps] == [10, 25, 50, 100]
    assert result.steps[0].sessions == 100
    assert result.final.ci_lower > 0
    assert result.final.error_rate == 0

    folder = RolloutFolder(request.run_dir)
    assert str(folder.read_result()) == str(result), "NaN included"
    assert folder.read_request() == request.model_copy(update={"k": 10, "model_timeout_s": 2.0})
    assert result.orphans == 0
    assert "ease" in folder.report.read_text(encoding="utf-8")
    tracker = connect(request.tracking_uri)
    recorded = read_run(tracker, finished.run_id)
    assert recorded.status == "FINISHED"
    assert recorded.params["rollout.steps"].startswith('[{"percent": 10')
    assert recorded.params["plant"] == "none"
    assert recorded.metrics["effect_size"] == result.final.effect_size
    history = tracker.client.get_metric_history(finished.run_id, "look/effect_size")
    tested = [look for look in result.looks if look.step_percent < 100]
    assert [(point.step, point.value) for point in history] == [(look.look, look.effect_size) for look in tested]
    assert recorded.tags["screentest.decision"] == "promote"
    assert "watch_sessions: 150" in read_text(tracker, finished.run_id, "rollout/spec.yaml")

    again = run_rollout(request)
    assert str(again.result) == str(result)
    assert again.run_id == finished.run_id, "a finished rollout is reported again, not recorded again"


@pytest.mark.parametrize(
    ("plant", "decision", "reason"), [("damage", "rollback", "primary_worse"), ("aa", "keep", "no_boundary_crossed")]
)
@pytest.mark.long
def test_a_planted_difference_is_found_and_none_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch, plant: str, decision: str, reason: str
) -> None:
    monkeypatch.setitem(live_rollout.MULTIPLIERS, "damage", 0.2)
    spec = {**SPEC, "variants": {"champion": CHAMPION, "challenger": CHAMPION}}
    spec["rollout"] = {"steps": [{"percent": 50, "sessions": 600}], "watch_sessions": 0}
    request = place.request(plant, spec=spec, plant=plant)
    result = run_rollout(request).result
    assert (result.decision, result.reasons) == (decision, (reason,))
    assert (result.control, result.challenger, result.champion_after) == ("popularity", "popularity", "1")
    assert aliases(request)["1"] == ("champion",)


def test_a_challenger_that_dies_is_rolled_back_by_its_errors(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    strike(monkeypatch, 350, kill_server(CHALLENGER))
    request = place.request("rollout")
    result = run_rollout(request).result
    assert (result.decision, result.reasons[0]) == ("rollback", "error_rate")
    assert result.looks[-1].sessions == 400, "at the first look that can see it"
    assert result.champion_after == "1"
    assert aliases(request) == {"1": ("champion",), "2": ()}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param(CHAMPION, f"model server {CHAMPION}", marks=pytest.mark.long),
        ("serving.policy_server", "policy server"),
    ],
)
def test_without_champion_or_policy_server_it_stops_with_the_cause(
    place: Place, monkeypatch: pytest.MonkeyPatch, undisturbed: RolloutResult, words: str, named: str
) -> None:
    request = place.request("rollout")
    strike(monkeypatch, 250, kill_server(words))
    with pytest.raises(ServerError) as caught:
        run_rollout(request)
    cause = str(caught.value).partition("\n")[0]
    assert cause.startswith(named)
    assert "signal 9 (SIGKILL)" in cause
    assert str(request.run_dir / "servers") in cause, "the log file"
    assert f"screentest rollout resume {request.run_dir}" in cause
    assert children_of(os.getpid(), serving="serving.") == []
    assert aliases(request) == {"1": ("champion",), "2": ("challenger",)}, "nothing is half done"
    if words == CHAMPION:
        monkeypatch.undo()
        assert timeless(resume_rollout(request.run_dir).result) == timeless(undisturbed)


@pytest.mark.long
def test_a_rollout_that_is_killed_leaves_no_process_and_resumes_to_the_same_end(
    place: Place, undisturbed: RolloutResult
) -> None:
    request = place.request("rollout")
    request.run_dir.mkdir()
    folder = RolloutFolder(request.run_dir)
    folder.keep_request(request, load_settings())
    run = subprocess.Popen([sys.executable, "-c", RESUME, str(request.run_dir)], stdout=subprocess.DEVNULL)
    engine = open_database(folder.events_url)
    assert poll(lambda: run.poll() is not None or count_exposures(engine, "small") > 230, 120)
    assert run.poll() is None, "it must still be at work"
    left = children_of(run.pid)
    assert len(left) == 4, "reaper, policy server and two model servers"
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert poll(lambda: all(gone(process) for process in left), 30)
    assert 230 < count_exposures(engine, "small") < undisturbed.looks[-1].sessions
    engine.dispose()
    assert timeless(resume_rollout(request.run_dir).result) == timeless(undisturbed)


def test_the_command_line_tells_where_a_rollout_stands(
    run: tuple[RolloutRequest, FinishedRollout], tmp_path: Path
) -> None:
    request, finished = run
    told = CliRunner().invoke(rollout.app, ["status", str(request.run_dir), "--json"])
    status = json.loads(told.stdout)
    assert (status["state"], status["decision"], status["step_percent"]) == ("done", "promote", 100)
    assert status["sessions"] == finished.result.looks[-1].sessions
    assert status["last_look"]["effect_size"] is None, "at 100 % there is nothing to compare with"
    for_people = CliRunner().invoke(rollout.app, ["status", str(request.run_dir)]).stdout
    assert "small: done, models:/recommender/2 at 100 %" in for_people
    assert status["orphans"] == 0
    assert "outcomes without a session in the event log: 0" in for_people
    nothing = CliRunner().invoke(rollout.app, ["status", str(tmp_path)])
    assert isinstance(nothing.exception, ConfigError)

    resumed = CliRunner().invoke(rollout.app, ["resume", str(request.run_dir)], catch_exceptions=False)
    assert resumed.exit_code == 0
    assert "ease" in resumed.stdout
    assert json.loads((request.run_dir / "result.json").read_text(encoding="utf-8"))["decision"] == "promote"


def test_what_cannot_be_run_is_refused_before_any_server_starts(place: Place) -> None:
    request = place.request("rollout")
    with pytest.raises(ConfigError, match="'device'"):
        run_rollout(request.model_copy(update={"spec": request.spec.model_copy(update={"unit": "device"})}))
    with pytest.raises(UnknownName, match="known: kserve, local"):
        run_rollout(request.model_copy(update={"deployer": "cloud"}))
    with pytest.raises(ConfigError, match="plant == 'magic'"):
        RolloutRequest.build(**{**request.model_dump(mode="json"), "plant": "magic"})
    with pytest.raises(ConfigError, match="holds no rollout"):
        resume_rollout(place.folder)
    request.run_dir.mkdir(parents=True)
    RolloutFolder(request.run_dir).keep_request(request, load_settings())
    with pytest.raises(ConfigError, match="holds another rollout"):
        run_rollout(request.model_copy(update={"seed": 2}))
