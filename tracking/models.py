"""A model as MLflow keeps it: a pyfunc made of data and the name of the module that loads it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import TrackingError
from tracking.client import Tracker, mlflow_errors, use_for_process
from tracking.runs import read_run, set_tags

#: Run tag: URI of the model the run trained.
MODEL_URI = "screentest.model_uri"
#: What MLflow may run to load a model of ours. Our servers run none: they read the artifact (wrappers/artifact.py).
LOADER_MODULES = frozenset({"wrappers.pyfunc", "wrappers.router_registration"})


def log_model(
    tracker: Tracker,
    run_id: str,
    folder: Path,
    *,
    loader_module: str,
    input_example: Any,
    output_example: Any,
    requirements: Sequence[str],
    optional: Sequence[str] = (),
) -> str:
    """Keep a trained model with the run that trained it.

    Nothing is pickled and no code is copied: whoever loads the model as pyfunc needs ``loader_module`` installed.

    Args:
        tracker: Where to.
        run_id: The run that trained it; has one model.
        folder: The artifact folder that the wrapper saved.
        loader_module: Module with ``_load_pyfunc(path)``.
        input_example: What ``predict`` takes; kept with the model, and its columns become the signature.
        output_example: What ``predict`` answers to it.
        requirements: Pinned, e.g. ``["numpy==2.4.6"]``.
        optional: Columns of the example that a request may leave out.

    Returns:
        The model's URI, also kept as the run's tag ``MODEL_URI``.

    Raises:
        TrackingError: MLflow refused.
    """
    import mlflow.pyfunc
    from mlflow.models import Model

    use_for_process(tracker.uri)
    with mlflow_errors(tracker.uri):
        # Made here, because Model.log would put it into MLflow's default experiment, whatever the run's is.
        experiment_id = tracker.client.get_run(run_id).info.experiment_id
        model = tracker.client.create_logged_model(experiment_id, name="model", source_run_id=run_id)
        logged = Model.log(
            artifact_path=None,
            model_id=model.model_id,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            loader_module=loader_module,
            data_path=str(folder),
            signature=_signature(input_example, output_example, optional),
            input_example=input_example,
            pip_requirements=list(requirements),
        )
    model_uri = str(logged.model_uri)
    set_tags(tracker, run_id, {MODEL_URI: model_uri})
    return model_uri


def _signature(input_example: Any, output_example: Any, optional: Sequence[str]) -> Any:
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

    with warnings.catch_warnings():
        # That integer columns cannot hold missing values; ours hold none.
        warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer column")
        inferred = infer_signature(input_example, output_example)
    columns = [
        ColSpec(column.type, column.name, required=column.required and column.name not in optional)
        for column in inferred.inputs
    ]
    return ModelSignature(Schema(columns), inferred.outputs)


def model_uri_of(tracker: Tracker, run_id: str) -> str:
    """URI of the model that a run trained.

    Raises:
        TrackingError: There is no such run, or it has no model.
    """
    run = read_run(tracker, run_id)
    if MODEL_URI not in run.tags:
        raise TrackingError(f"run {run_id} ({run.name}, {run.status}) has no model; train it first")
    return run.tags[MODEL_URI]


def model_folder(tracker: Tracker, run_id: str) -> Path:
    """The artifact folder of the model that a run trained, registered or not; nothing in it is run.

    Args:
        tracker: Where to look.
        run_id: The run.

    Returns:
        What the wrapper saved: the store's own folder where it is local (read it only), else a temporary copy.

    Raises:
        TrackingError: There is no such run, it has no model, the artifact is gone, or MLflow refused.
    """
    model_id = model_uri_of(tracker, run_id).removeprefix("models:/")
    with mlflow_errors(tracker.uri):
        source = tracker.client.get_logged_model(model_id).artifact_location
    return artifact_folder(tracker, source, of=f"the model of run {run_id}")


def artifact_folder(tracker: Tracker, source: str, *, of: str, into: Path | None = None) -> Path:
    """The folder that a wrapper saved, inside the MLflow model that lies at ``source``.

    Args:
        tracker: Whose store it is.
        source: Address of the MLflow model's files. Not ``models:/…``: for those MLflow would write a file into the
            store's own folder.
        of: What is fetched, for the message.
        into: Existing folder to copy to; None: no copy where the store is local.

    Raises:
        TrackingError: The artifact is gone or was not made by ``log_model``, or MLflow refused.
    """
    import mlflow
    from mlflow.models import Model

    target = None if into is None else str(into)
    try:
        with mlflow_errors(tracker.uri):
            fetched = mlflow.artifacts.download_artifacts(
                artifact_uri=source, dst_path=target, tracking_uri=tracker.uri
            )
            flavor = Model.load(fetched).flavors.get("python_function", {})
    except (OSError, TrackingError) as error:
        raise TrackingError(f"{of} cannot be downloaded: {error}") from error
    # Whoever loads it by MLflow would run that module.
    if flavor.get("loader_module") not in LOADER_MODULES:
        raise TrackingError(
            f"{of} names the loader module {flavor.get('loader_module')!r}, must be one of "
            f"{', '.join(sorted(LOADER_MODULES))} (tracking/models.py); it was not made here, and is not used"
        )
    folder = Path(fetched) / str(flavor.get("data", ""))
    if not flavor.get("data") or not folder.is_dir() or not folder.resolve().is_relative_to(Path(fetched).resolve()):
        raise TrackingError(f"{of} holds no artifact folder of a model wrapper")
    return folder
