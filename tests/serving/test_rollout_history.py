from pathlib import Path

import pytest

from core.errors import TrackingError
from events.rollouts import RolloutRecord
from experiments.result import RolloutResult
from serving import rollout_history
from serving.result_documents import look_document, look_of, result_document, result_of
from serving.rollout_history import final_figures, live_history, log_rollout, spec_params
from tests import rollout_examples
from tracking.client import Tracker, connect, database_uri
from tracking.runs import find_runs, read_run

SPEC = rollout_examples.SPEC
PROMOTED = rollout_examples.promoted()
RECORD = RolloutRecord(
    experiment=SPEC.name,
    spec=SPEC.document(),
    state="done",
    champion_uri=SPEC.variants["champion"],
    champion_version="1",
    challenger_uri=SPEC.variants["challenger"],
    challenger_version="3",
    created_at=1_700_000_000.25,
)


def test_a_history_that_was_cut_off_is_completed_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = connect(database_uri(tmp_path))

    def refuse(*_: object) -> None:
        raise TrackingError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(rollout_history, "log_text", refuse)
        with pytest.raises(TrackingError, match="disk is full"):
            log_rollout(tracker, RECORD, PROMOTED, "<html>", {"seed": "4"})
    (cut_off,) = find_runs(tracker, {})
    assert cut_off.status == "FAILED"
    run_id = log_rollout(tracker, RECORD, PROMOTED, "<html>", {"seed": "4"})
    assert run_id == cut_off.run_id
    assert read_run(tracker, run_id).status == "FINISHED"
    assert log_rollout(tracker, RECORD, PROMOTED, "<html>", {"seed": "5"}) == run_id, "left alone"
    assert read_run(tracker, run_id).params["seed"] == "4"


def looks_in(tracker: Tracker, run_id: str) -> list[int]:
    return [point.step for point in tracker.client.get_metric_history(run_id, "look/sessions")]


def test_each_look_is_logged_once_however_often_the_rollout_is_resumed(tmp_path: Path) -> None:
    tracker = connect(database_uri(tmp_path))
    looks = PROMOTED.looks

    def killed_after_three() -> None:
        with live_history(tracker, RECORD, {"seed": "4"}) as tell:
            tell(())
            assert find_runs(tracker, {}) == []
            for taken in (1, 2, 2, 3):
                tell(looks[:taken])
            (running,) = find_runs(tracker, {})
            assert (running.status, running.params["seed"]) == ("RUNNING", "4")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_after_three()
    (running,) = find_runs(tracker, {})
    assert running.status == "KILLED"
    with live_history(tracker, RECORD, {"seed": "4"}) as tell:
        tell(looks[:5])
    assert looks_in(tracker, running.run_id) == [1, 2, 3, 4, 5]
    assert log_rollout(tracker, RECORD, PROMOTED, "<html>", {"seed": "4"}) == running.run_id
    assert looks_in(tracker, running.run_id) == [look.look for look in looks]
    assert read_run(tracker, running.run_id).tags["screentest.decision"] == "promote"


@pytest.mark.parametrize("broken", ["find_runs", "log_metric_history"])
def test_a_rollout_goes_on_without_mlflow_and_is_made_whole_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    tracker = connect(database_uri(tmp_path))
    calls = []

    def refuse(*_: object) -> None:
        calls.append(1)
        raise TrackingError("MLflow is gone")

    with live_history(tracker, RECORD, {}) as tell:
        with monkeypatch.context() as patched:
            patched.setattr(rollout_history, broken, refuse)
            tell(PROMOTED.looks[:1])
            tell(PROMOTED.looks[:2])
        tell(PROMOTED.looks[:3])
    assert len(calls) == 1, "said once, not tried at every look"
    (said,) = [record.getMessage() for record in caplog.records if "MLflow is gone" in record.getMessage()]
    assert "the rollout goes on" in said
    run_id = log_rollout(tracker, RECORD, PROMOTED, "<html>", {})
    assert looks_in(tracker, run_id) == [look.look for look in PROMOTED.looks]


def test_other_metrics_have_series_too(tmp_path: Path) -> None:
    tracker = connect(database_uri(tmp_path))
    run_id = log_rollout(tracker, RECORD, rollout_examples.with_metrics(PROMOTED), "<html>", {})
    logged = tracker.client.get_metric_history(run_id, "look/likes/effect_size")
    assert [point.step for point in logged] == [look.look for look in PROMOTED.looks if look.step_percent < 100]


@pytest.mark.parametrize("result", [PROMOTED, rollout_examples.with_metrics(PROMOTED)], ids=["plain", "with metrics"])
def test_a_result_survives_json(result: RolloutResult) -> None:
    assert str(result_of(result_document(result))) == str(result)
    look = PROMOTED.looks[0]
    assert look_of(look_document(look)) == look


def test_the_spec_becomes_flat_parameters() -> None:
    params = spec_params(SPEC)
    assert params["variants.challenger"] == SPEC.variants["challenger"]
    assert params["analysis.alpha"] == "0.05"
    assert params["metrics.guardrails.max_error_rate"] == "0.02"


def test_only_numbers_become_figures() -> None:
    figures = final_figures(PROMOTED)
    assert figures["effect_size"] == PROMOTED.final.effect_size
    assert figures["looks"] == len(PROMOTED.looks)
    assert all(value == value for value in figures.values())
