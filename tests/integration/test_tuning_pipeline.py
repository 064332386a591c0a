"""The tuning pipeline as KFP runs it: every step a process, from ratings to a registered challenger."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.export import write_movielens_csv
from pipelines.compile import compiled_path
from pipelines.local_runner import run_pipeline
from tests.mlflow_on_sqlite import tracker as tracker
from tests.small_interactions import grouped_loader
from tracking.client import connect
from tracking.registry import list_versions


@pytest.mark.long
def test_tuned_models_are_trained_and_registered(tmp_path: Path) -> None:
    write_movielens_csv(grouped_loader().load(), tmp_path / "data")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    connect(uri, experiment="tuned")
    outputs = run_pipeline(
        compiled_path("tuning"),
        {
            "source": str(tmp_path / "data"),
            "models": ["popularity", "item_knn"],
            "trials": 3,
            "tracking_uri": uri,
            "experiment": "tuned",
        },
        root=tmp_path / "steps",
        log=tmp_path / "pipeline.log",
    )
    assert outputs["challenger"], outputs["reason"]
    client = connect(uri, experiment="tuned").client
    runs = client.search_runs([client.get_experiment_by_name("tuned").experiment_id])
    assert sorted(run.info.run_name for run in runs).count("tuning") == 2
    assert len(list_versions(connect(uri, experiment="tuned"), "recommender")) == 2
