"""MLflow's artifacts in a bucket: logged, found and loaded there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import storage

from core.errors import TrackingError
from tests.cloud_storage import emulator
from tests.small_interactions import grouped_loader
from tracking.client import Tracker, connect
from tracking.models import model_folder
from wrappers.artifact import load_wrapper
from wrappers.lifecycle import train_and_log


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Bucket]:
    with emulator(monkeypatch, "models") as made:
        yield made


def train(tracker: Tracker, root: str) -> str:
    return train_and_log(
        "popularity", grouped_loader(), tracking_uri=tracker.uri, experiment="in a bucket", artifact_root=root
    )


def test_a_model_is_logged_to_the_bucket_and_loaded_from_it(
    bucket: storage.Bucket, tracker: Tracker, tmp_path: Path
) -> None:
    run_id = train(tracker, "gs://models/mlflow/")

    names = [blob.name for blob in bucket.list_blobs()]
    assert names
    assert all(name.startswith("mlflow/") for name in names)
    assert not (tmp_path / "tracking" / "artifacts").exists()
    again = connect(tracker.uri, experiment="in a bucket", artifact_root="gs://elsewhere")
    assert again.client.get_run(run_id).info.artifact_uri.startswith("gs://models/mlflow/"), "it keeps its own"
    wrapper = load_wrapper(model_folder(tracker, run_id))
    assert wrapper.predict([{"user_id": 1, "k": 5}])


def test_a_bucket_that_is_not_there_is_one_line(bucket: storage.Bucket, tracker: Tracker) -> None:
    with pytest.raises(TrackingError, match=r"refused: .*404") as caught:
        train(tracker, "gs://nowhere/mlflow")
    assert "\n" not in str(caught.value)
