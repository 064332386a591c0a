from pathlib import Path

import pytest

from core.errors import TrackingError
from events.rollouts import RolloutRecord
from serving import rollout_history
from serving.result_documents import look_document, look_of, result_document, result_of
from serving.rollout_history import final_figures, log_rollout, spec_params
from tests import rollout_examples
from tracking.client import connect, database_uri
from tracking.runs import find_runs, read_run

SPEC = rollout_examples.SPEC
PROMOTED = rollout_examples.promoted()
RECORD = RolloutRecord(
    experiment=SPEC.name,
    spec=SPEC.model_dump(mode="json"),
    state="done",
    champion_uri=SPEC.variants.champion,
    champion_version="1",
    challenger_uri=SPEC.variants.challenger,
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


def test_a_result_survives_json() -> None:
    assert str(result_of(result_document(PROMOTED))) == str(PROMOTED)
    look = PROMOTED.looks[0]
    assert look_of(look_document(look)) == look


def test_the_spec_becomes_flat_parameters() -> None:
    params = spec_params(SPEC)
    assert params["variants.challenger"] == SPEC.variants.challenger
    assert params["analysis.alpha"] == "0.05"
    assert params["metrics.guardrails.max_error_rate"] == "0.02"


def test_only_numbers_become_figures() -> None:
    figures = final_figures(PROMOTED)
    assert figures["effect_size"] == PROMOTED.final.effect_size
    assert figures["looks"] == len(PROMOTED.looks)
    assert all(value == value for value in figures.values())
