"""What somebody else put into the registry: refused before anything of it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from core.errors import TrackingError, UnknownName
from serving.model_source import load_source
from tests.mlflow_on_sqlite import empty_database as empty_database
from tests.mlflow_on_sqlite import environment_put_back as environment_put_back
from tests.mlflow_on_sqlite import tracker as tracker
from tests.small_registry import small_interactions
from tracking.client import Tracker
from tracking.models import log_model
from tracking.registry import Candidate, register_all
from tracking.runs import new_run
from wrappers.registry import model

NAME = "recommender"
URI = f"models:/{NAME}/1"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model of ours, as its wrapper saved it."""
    model("popularity")().fit(small_interactions()).save(tmp_path / "saved")
    return tmp_path / "saved"


def register(tracker: Tracker, folder: Path, loader_module: str) -> None:
    with new_run(tracker, "popularity") as run_id:
        log_model(
            tracker,
            run_id,
            folder,
            loader_module=loader_module,
            input_example=pd.DataFrame({"user_id": [100], "k": [3]}),
            output_example=["list"],
            requirements=["numpy"],
        )
    register_all(tracker, NAME, [Candidate(run_id, "popularity")], {"champion": run_id})


def test_a_loader_module_that_is_none_of_ours_is_refused_and_not_run(
    tracker: Tracker, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules, ran = tmp_path / "modules", tmp_path / "ran"
    modules.mkdir()
    writes = f"import pathlib\npathlib.Path({str(ran)!r}).write_text('yes')\n"
    (modules / "their_loader.py").write_text(f"{writes}def _load_pyfunc(path):\n    return None\n")
    monkeypatch.syspath_prepend(str(modules))
    register(tracker, saved, "their_loader")
    # Logging asks MLflow whether it loads; from here on it must not.
    ran.unlink(missing_ok=True)
    with pytest.raises(TrackingError, match=r"loader module 'their_loader', must be one of wrappers\.pyfunc"):
        load_source(URI, tracker.uri)
    assert not ran.exists()


def test_the_same_with_our_loader_module_is_served(tracker: Tracker, saved: Path) -> None:
    register(tracker, saved, "wrappers.pyfunc")
    assert load_source(f"models:/{NAME}@champion", tracker.uri).wrapper.name == "popularity"


class Unpickled:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_a_pickled_model_is_refused_and_not_unpickled(tracker: Tracker, tmp_path: Path) -> None:
    import pickle

    trace, folder = tmp_path / "unpickled", tmp_path / "pickled"
    folder.mkdir()
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Unpickled(trace)))
    flavor = {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl", "cloudpickle_version": "3"}
    described = mlflow.models.Model(artifact_path="model", flavors={"python_function": flavor})
    described.save(folder / "MLmodel")
    with new_run(tracker, "pickled") as run_id:
        tracker.client.log_artifacts(run_id, str(folder), "model")
        source = f"{tracker.client.get_run(run_id).info.artifact_uri}/model"
    tracker.client.create_registered_model(NAME)
    tracker.client.create_model_version(NAME, source, run_id=run_id)
    with pytest.raises(TrackingError, match=r"loader module 'mlflow\.pyfunc\.model', must be one of"):
        load_source(URI, tracker.uri)
    assert not trace.exists()
    pickle.loads((folder / "python_model.pkl").read_bytes())  # noqa: S301
    assert trace.exists(), "it would have left a trace"


@pytest.mark.parametrize("outside", ["../../elsewhere", "/"])
def test_data_outside_of_the_model_are_refused(tracker: Tracker, saved: Path, outside: str) -> None:
    register(tracker, saved, "wrappers.pyfunc")
    uri = tracker.client.get_model_version_download_uri(NAME, "1")
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=tracker.uri))
    (folder.parent.parent / "elsewhere").mkdir(exist_ok=True)
    text = (folder / "MLmodel").read_text()
    [line] = [line for line in text.splitlines() if line.strip().startswith("data:")]
    (folder / "MLmodel").write_text(text.replace(line, f"{line.partition(':')[0]}: {outside}"))
    with pytest.raises(TrackingError, match="holds no artifact folder of a model wrapper"):
        load_source(URI, tracker.uri)


def test_a_model_that_no_registry_knows_is_refused(tracker: Tracker, saved: Path) -> None:
    header = saved / "model.json"
    header.write_text(header.read_text().replace('"popularity"', '"os.system"'))
    register(tracker, saved, "wrappers.pyfunc")
    with pytest.raises(UnknownName, match=r"unknown model 'os\.system'; known: "):
        load_source(URI, tracker.uri)
