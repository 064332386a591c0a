"""A network's training in MLflow: parameters, every epoch's figures and the checkpoint, without a word by the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.errors import TrackingError
from tests.small_interactions import MemoryLoader, random_interactions
from tracking.client import Tracker
from tracking.lightning import run_logger
from tracking.runs import current_run, new_run, read_run, resumed_run
from wrappers.lifecycle import train_and_log
from wrappers.two_tower import TwoTower

CONFIG = {"epochs": 3, "embedding_size": 4, "patience": 3}


def artifacts(tracker: Tracker, run_id: str, folder: str = "") -> list[str]:
    return sorted(found.path for found in tracker.client.list_artifacts(run_id, folder))


def test_a_training_is_told_by_itself(tracker: Tracker, tmp_path: Path) -> None:
    loader = MemoryLoader(random_interactions(), random_interactions())
    run_id = train_and_log("two_tower", loader, CONFIG, tracking_uri=tracker.uri)
    run = read_run(tracker, run_id)
    assert run.status == "FINISHED"
    assert run.params["model.embedding_size"] == run.params["two_tower.embedding_size"] == "4"
    for name in ("two_tower.train_loss", "two_tower.validation_score"):
        history = tracker.client.get_metric_history(run_id, name)
        assert sorted(point.step for point in history) == [0, 1, 2]
    assert artifacts(tracker, run_id) == ["two_tower-checkpoint"]
    assert "two_tower-checkpoint/two_tower-checkpoint.ckpt" in artifacts(tracker, run_id, "two_tower-checkpoint")
    path = tracker.client.download_artifacts(run_id, "two_tower-checkpoint/two_tower-checkpoint.ckpt", str(tmp_path))
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["state_dict"]["network.item.weight"].shape == (25, 4)
    assert checkpoint["hyper_parameters"]["epochs"] == 3


def test_outside_of_a_run_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert current_run() is None
    assert run_logger("two_tower") is None
    TwoTower(CONFIG).fit(random_interactions())
    assert list(tmp_path.iterdir()) == []


def test_a_second_training_in_a_run_has_a_name_of_its_own(tracker: Tracker) -> None:
    with new_run(tracker, "twice") as run_id:
        TwoTower(CONFIG).fit(random_interactions())
        TwoTower({**CONFIG, "embedding_size": 3}).fit(random_interactions())
        assert read_run(tracker, run_id).status == "RUNNING", "who began the run ends it"
    params = read_run(tracker, run_id).params
    assert (params["two_tower.embedding_size"], params["two_tower-2.embedding_size"]) == ("4", "3")


def test_the_run_is_the_innermost(tracker: Tracker) -> None:
    with new_run(tracker, "outer") as outer:
        with new_run(tracker, "inner") as inner:
            assert current_run().run_id == inner
        assert current_run().run_id == outer
    with resumed_run(tracker, inner):
        assert current_run().run_id == inner
    assert current_run() is None


def test_what_mlflow_refuses_is_one_line(tracker: Tracker) -> None:
    with new_run(tracker, "deleted") as run_id:
        tracker.client.delete_run(run_id)
        with pytest.raises(TrackingError, match="refused: "):
            TwoTower(CONFIG).fit(random_interactions())
        tracker.client.restore_run(run_id)
