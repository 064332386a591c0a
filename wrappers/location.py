"""Where a model's artifact lies: a folder, or MLflow."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigError, DataError
from core.settings import load_settings

_RUN_URI = re.compile(r"^runs:/(?P<run_id>[0-9a-zA-Z_-]+)/model/?$")


def artifact_folder(model_uri: str | Path) -> Path:
    """The local folder of an artifact, fetched from MLflow (``MLFLOW_TRACKING_URI``) where it is not one already.

    Args:
        model_uri: A folder that ``save`` wrote, or the folder of an MLflow model around it;
            ``models:/recommender/3``, ``models:/recommender@champion``; ``runs:/<run_id>/model``.

    Raises:
        ConfigError: The URI is none of these.
        DataError: The folder is an MLflow model that holds no artifact of ours.
        TrackingError: MLflow cannot be reached or has no such model.
    """
    uri = str(model_uri)
    if not uri.startswith(("models:/", "runs:/")):
        return _inside_mlflow_model(Path(model_uri))
    # Imports MLflow when called, which a folder does not need.
    from tracking.client import connect
    from tracking.models import model_folder
    from tracking.registry import download

    settings = load_settings()
    run = _RUN_URI.match(uri)
    if uri.startswith("runs:/") and run is None:
        raise ConfigError(f"model URI {uri!r}, must be runs:/RUN_ID/model")
    tracker = connect(settings.mlflow_tracking_uri, experiment=settings.mlflow_experiment_name)
    return download(tracker, uri) if run is None else model_folder(tracker, run["run_id"])


def _inside_mlflow_model(folder: Path) -> Path:
    """The folder itself, or where it is an MLflow model, the data folder in it. MLflow's own loading is not run."""
    if not (folder / "MLmodel").is_file():
        return folder
    inside = sorted((folder / "data").glob("*/model.json"))
    if len(inside) != 1:
        raise DataError(f"holds {len(inside)} data/*/model.json, must hold one; log the model again", file=str(folder))
    return inside[0].parent
