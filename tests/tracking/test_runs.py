from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from core.errors import TrackingError
from tracking.client import Tracker
from tracking.runs import (
    PIPELINE_RUN,
    find_runs,
    log_arrays,
    log_files,
    log_metric_history,
    log_metrics,
    log_params,
    log_text,
    new_run,
    read_arrays,
    read_run,
    read_text,
    resumed_run,
    set_tags,
)


def test_a_run_records_what_it_is_told(tracker: Tracker) -> None:
    with new_run(tracker, "ease", params={"reg": 200.0, "seed": None}, tags={"colour": "blue"}) as run_id:
        assert read_run(tracker, run_id).status == "RUNNING"
        log_metrics(tracker, run_id, {"ndcg_at_10": 0.25, "mrr_at_10": math.nan})
        set_tags(tracker, run_id, {"colour": "red"})
    run = read_run(tracker, run_id)
    assert (run.name, run.status) == ("ease", "FINISHED")
    assert run.params == {"reg": "200.0", "seed": "None"}
    assert run.metrics["ndcg_at_10"] == 0.25
    assert math.isnan(run.metrics["mrr_at_10"])
    assert run.tags["colour"] == "red"
    assert run.tags["code.version"]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("bad"), "FAILED"), (SystemExit(1), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_run_that_fails_is_marked(tracker: Tracker, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), new_run(tracker, "ease") as run_id:
        raise error
    assert read_run(tracker, run_id).status == status


def test_a_run_whose_parameters_are_refused_is_marked(tracker: Tracker) -> None:
    with pytest.raises(TrackingError, match="Invalid"), new_run(tracker, "ease", params={"a@b": 1}):
        pass
    assert [run.status for run in find_runs(tracker, {})] == ["FAILED"]


def test_the_blocks_own_error_is_raised_when_mlflow_is_gone_too(tracker: Tracker) -> None:
    def fail(run_id: str) -> None:
        tracker.client.delete_run(run_id)
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause"), new_run(tracker, "ease") as run_id:
        fail(run_id)


def test_a_finished_run_can_be_added_to(tracker: Tracker) -> None:
    with new_run(tracker, "ease") as run_id:
        pass
    with resumed_run(tracker, run_id):
        assert read_run(tracker, run_id).status == "RUNNING"
        log_metrics(tracker, run_id, {"later": 1.0})
    assert (read_run(tracker, run_id).status, read_run(tracker, run_id).metrics) == ("FINISHED", {"later": 1.0})


def test_a_history_longer_than_one_batch(tracker: Tracker) -> None:
    with new_run(tracker, "rollout") as run_id:
        log_metric_history(tracker, run_id, [(look, {"effect": look / 10, "pvalue": 0.5}) for look in range(700)])
    history = tracker.client.get_metric_history(run_id, "effect")
    assert sorted((row.step, row.value) for row in history) == [(look, look / 10) for look in range(700)]


def test_more_parameters_than_one_batch(tracker: Tracker) -> None:
    params = {f"p{number}": str(number) for number in range(150)}
    with new_run(tracker, "ease", params=params) as run_id:
        pass
    assert read_run(tracker, run_id).params == params


def test_a_recorded_parameter_cannot_change(tracker: Tracker) -> None:
    with new_run(tracker, "ease", params={"reg": 1}) as run_id, pytest.raises(TrackingError, match="reg"):
        log_params(tracker, run_id, {"reg": 2})


def test_arrays_come_back_as_they_were(tracker: Tracker) -> None:
    arrays = {"user_id": np.array(["a", "bb"]), "ndcg": np.array([0.5, np.nan]), "n": np.array([1, 2])}
    with new_run(tracker, "ease") as run_id:
        log_arrays(tracker, run_id, arrays)
        log_arrays(tracker, run_id, {"x": np.zeros(3)}, "top.npz")
    back = read_arrays(tracker, run_id)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert read_arrays(tracker, run_id, "top.npz")["x"].shape == (3,)


def test_objects_are_never_pickled(tracker: Tracker) -> None:
    with new_run(tracker, "ease") as run_id, pytest.raises(ValueError, match=r"\['ids'\] hold Python objects"):
        log_arrays(tracker, run_id, {"ids": np.array([{}, []], dtype=object)})


def test_texts_files_and_folders(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    with new_run(tracker, "ease") as run_id:
        log_text(tracker, run_id, "<p>한국어</p>", "evaluation/report.html")
        log_files(tracker, run_id, tmp_path / "folder")
        log_files(tracker, run_id, tmp_path / "b.txt", "more")
    assert read_text(tracker, run_id, "evaluation/report.html") == "<p>한국어</p>"
    assert read_text(tracker, run_id, "deep/a.txt") == "a"
    assert read_text(tracker, run_id, "more/b.txt") == "b"


def test_what_is_missing_is_named(tracker: Tracker) -> None:
    with new_run(tracker, "ease") as run_id:
        pass
    with pytest.raises(TrackingError, match="'evaluation/per_user"):
        read_arrays(tracker, run_id)
    with pytest.raises(TrackingError, match="0123"):
        read_run(tracker, "0123")


def test_runs_are_found_by_tag_newest_first(tracker: Tracker) -> None:
    ids = []
    for name, batch in (("popularity", "1"), ("ease", "2"), ("item_knn", "2")):
        with new_run(tracker, name, tags={PIPELINE_RUN: batch}) as run_id:
            ids.append(run_id)
    with resumed_run(tracker, ids[1]), pytest.raises(TrackingError):
        read_run(tracker, "gone")
    assert {run.name for run in find_runs(tracker, {PIPELINE_RUN: "2"})} == {"ease", "item_knn"}
    assert len(find_runs(tracker, {})) == 3
    assert find_runs(tracker, {PIPELINE_RUN: "2"}, status="FAILED") == []
    with pytest.raises(ValueError, match="holds a quote"):
        find_runs(tracker, {PIPELINE_RUN: "o'clock"})
