"""The main job on a small world: pipelines, registry, servers, HTTP traffic, decision, report. Nothing is faked."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.audition import Audition, source_of
from cli.run_folder import RunFolder
from core.errors import StepError, TrackingError
from core.settings import load_settings
from evaluation.ranking import METRICS
from serving.processes import poll
from tests.short_audition import ShortAudition, short_audition, write_small_ratings
from tracking.client import connect
from tracking.registry import version_for
from tracking.runs import find_runs, read_text


@pytest.fixture(scope="module")
def performed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShortAudition, dict[str, Any], str]:
    """One audition, what came out of it, and what was told on the way."""
    folder = tmp_path_factory.mktemp("performed")
    told = io.StringIO()
    audition = short_audition(write_small_ratings(folder / "ratings"), folder, Console(file=told, width=120))
    return audition, audition.perform(), told.getvalue()


def test_from_ratings_to_a_decision(performed: tuple[ShortAudition, dict[str, Any], str]) -> None:
    audition, result, told = performed

    assert result["decision"] == "keep"
    assert (result["control"], result["challenger"]) == ("popularity", "ease")
    assert [step["percent"] for step in result["steps"]][:2] == [5, 50]
    assert result["ci_lower"] <= result["effect_size"] <= result["ci_upper"]
    assert set(result["seconds"]) >= {
        "get-data",
        "train-model",
        "evaluate-model",
        "register-model",
        "ab-rollout",
        "total",
    }
    assert json.loads(audition.run.result.read_text()) == json.loads(json.dumps(result))
    report = audition.run.report.read_text()
    assert "<html" in report
    tracker = connect(audition.run.database)
    assert [row["metric"] for row in result["foretelling"]] == [f"{name}@10" for name in (*METRICS, "coverage")]
    assert {row["verdict"] for row in result["foretelling"]} <= {"leaned_same", "leaned_other", "leaned_neither"}
    ndcg = result["foretelling"][0]
    assert ndcg["ci_lower"] < ndcg["effect_size"] == pytest.approx(ndcg["challenger"] - ndcg["champion"])
    assert result["foretelling_note"].startswith("Online it stayed undecided, so no offline metric foretold a winner.")
    assert "so no offline metric foretold a winner" in told
    assert "popularity v1" in report
    assert "ease v2" in report
    (recorded,) = find_runs(tracker, {"screentest.decision": "keep"})
    assert recorded.metrics["offline/ndcg_at_10/effect_size"] == ndcg["effect_size"]
    logged = json.loads(read_text(tracker, recorded.run_id, "rollout/foretelling.json"))
    assert logged["foretelling"] == result["foretelling"]
    champion = version_for(tracker, "recommender")
    assert champion is not None
    assert champion.model == "popularity"


@pytest.mark.usefixtures("no_child_left")
@pytest.mark.long
def test_the_same_seed_gives_the_same_figures(
    performed: tuple[ShortAudition, dict[str, Any], str], ratings: Path, tmp_path: Path, console: Console
) -> None:
    once, again = performed[1], short_audition(ratings, tmp_path, console).perform()
    for figure in ("decision", "effect_size", "rel_effect_size", "ci_lower", "ci_upper", "steps"):
        assert once[figure] == again[figure]


@pytest.mark.long
@pytest.mark.usefixtures("no_child_left")
def test_a_planted_damage_is_one_model_twice(ratings: Path, tmp_path: Path, console: Console) -> None:
    one = short_audition(ratings, tmp_path, console, plant="damage").perform()
    assert one["control"] == one["challenger"]
    assert one["control_version"] != one["challenger_version"]
    assert one["foretelling_note"].startswith("Champion and challenger are the same model")
    assert {row["verdict"] for row in one["foretelling"]} <= {"equal", "no_outcome"}


@pytest.mark.usefixtures("no_child_left")
def test_data_that_cannot_be_used_is_one_line_and_exit_code_2(ratings: Path, tmp_path: Path, console: Console) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in ratings.iterdir():
        (bad / file.name).write_bytes(file.read_bytes())
    lines = (bad / "ratings.csv").read_text().splitlines()
    lines[3] = "1,2,11.5,100"
    (bad / "ratings.csv").write_text("\n".join(lines))

    with pytest.raises(StepError, match=r"step 'get-data' failed: .*ratings\.csv:4: .*11\.5") as caught:
        short_audition(bad, tmp_path / "runs", console).perform()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_tracking_server_that_does_not_answer_is_told_before_any_work(
    ratings: Path, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    started = short_audition(ratings, tmp_path, console)

    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9"):
        started.perform()
    assert not started.run.pipeline_root.exists()


@pytest.mark.long
def test_nobody_to_audition_is_a_whole_result(
    ratings: Path, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_GATE_THRESHOLD", "0.99")
    settings = load_settings(data_source_path=str(ratings))
    run = RunFolder.create(tmp_path, "none", datetime(2026, 1, 31, 12))
    models = ["popularity", "item_knn", "ease"]
    result = Audition(
        settings, run, source_of(settings), seed=5, plant="none", models=models, configs={}, console=console
    ).perform()

    assert (result["decision"], result["control"], result["challenger"]) == ("keep", "popularity", None)
    assert "0.99" in result["why"]
    assert result["foretelling"] == []
    assert result["foretelling_note"].startswith("No visitor was shown another model")
    assert result["seconds"]["total"] > 0
    assert "popularity" in run.report.read_text()
    assert json.loads(run.result.read_text()) == result
    assert isinstance(console.file, io.StringIO)
    assert "Kept: popularity (version 1) stays the champion" in console.file.getvalue()


def demo_process(ratings: Path, folder: Path) -> subprocess.Popen[str]:
    """``screentest demo`` in a session of its own, so that a signal to its group is Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "demo", "--data", str(ratings), "--models", "popularity,ease"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "SCREENTEST_CONNECTIONS": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    assert poll(lambda: process.poll() is not None or condition(), 120)
    assert process.poll() is None, process.communicate()


@pytest.mark.usefixtures("no_child_left")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
@pytest.mark.long
def test_ctrl_c_in_the_traffic_says_how_to_go_on(ratings: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = demo_process(ratings, tmp_path)
    wait_for(process, lambda: bool(list(tmp_path.glob("runs/*/servers/policy.port"))))

    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)

    run = next(tmp_path.glob("runs/2*"))
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == f"interrupted; go on with: screentest rollout resume {run}"


@pytest.mark.usefixtures("no_child_left")
def test_ctrl_c_in_the_training_begins_no_further_step(ratings: Path, tmp_path: Path) -> None:
    process = demo_process(ratings, tmp_path)
    wait_for(
        process, lambda: any("train-model" in log.read_text() for log in tmp_path.glob("runs/*/logs/pipeline.log"))
    )

    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the rollout had not begun; start again" in said
    assert "register-model" not in next(tmp_path.glob("runs/*/logs/pipeline.log")).read_text()
