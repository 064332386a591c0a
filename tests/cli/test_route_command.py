"""``screentest route``: where users go and what they get, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.errors import BadInput, ConfigError
from experiments.assignment import bucket
from tests.small_registry import SmallLoader
from tracking.client import Tracker
from tracking.registry import Candidate, register_all
from wrappers.lifecycle import train_and_log
from wrappers.router import ARMS
from wrappers.router_registration import register_router

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    from cli.main import app

    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["route", *arguments])


@pytest.fixture
def with_router(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [train_and_log(name, SmallLoader(), tracking_uri=tracker.uri) for name in ("popularity", "ease")]
    candidates = [Candidate(run_id, name) for run_id, name in zip(runs, ("popularity", "ease"), strict=True)]
    register_all(tracker, "recommender", candidates, dict(zip(ARMS, runs, strict=True)))
    assert register_router(tracker, "recommender") is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)


@pytest.mark.usefixtures("with_router")
def test_assignment_and_scores_for_people_and_scripts(run: Run) -> None:
    answer = run("100", "101", "nobody", "--k", "3", "--json")
    assert answer.exit_code == 0, answer.output
    rows = json.loads(answer.stdout)
    assert [row["user_id"] for row in rows] == ["100", "101", "nobody"]
    for row in rows:
        place = bucket("router", row["user_id"])
        arm, version = ("PolicyA", 1) if place < 0.5 else ("PolicyB", 2)
        assert (row["bucket"], row["arm"], row["policy"]) == (place, arm, f"models:/recommender/{version}")
        assert len(row["items"]) == len(row["titles"]) == len(row["scores"]) == 3
    assert [row["cold"] for row in rows] == [False, False, True]
    shown = run("100", "nobody", "--k", "2").stdout
    first = rows[0]
    assert f"user 100: {first['arm']} ({first['policy']}), bucket {first['bucket']:.4f}" in shown
    assert "a user it does not know: popularity order" in shown
    assert f"user [/b]: {run('[/b]', '--k', '1').stdout.split()[2]}" in run("[/b]", "--k", "1").stdout
    line = next(line for line in shown.splitlines() if line.split()[:1] == ["1"])
    assert line.split() == ["1", str(first["items"][0]), *first["titles"][0].split(), f"{first['scores'][0]:.4f}"]


def test_no_router_yet_says_how_to_get_one(run: Run, tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    answer = run("17")
    assert isinstance(answer.exception, ConfigError)
    assert "holds no router yet" in str(answer.exception)
    assert "`screentest demo --models logreg,lightgbm`" in str(answer.exception)


def test_no_mlflow_yet_says_so(run: Run) -> None:
    answer = run("17")
    assert isinstance(answer.exception, ConfigError)
    assert "holds no finished run yet" in str(answer.exception)


def test_bad_options_exit_with_2(run: Run) -> None:
    assert run().exit_code == 2
    assert run("17", "--k", "0").exit_code == 2
    for user in ("\udcff", "a\nb"):
        refused = run(user)
        assert isinstance(refused.exception, BadInput)
        assert str(refused.exception) == f"USER == {user!r}, must be text without control characters"
