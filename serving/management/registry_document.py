"""What MLflow's registry says of the model that is served: champion, challenger, their metrics and provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import TrackingError
from core.settings import Settings
from experiments.json_document import json_document
from tracking.client import Tracker, connect
from tracking.registry import CHALLENGER, CHAMPION, ModelVersion, list_versions
from tracking.runs import read_run

_PROVENANCE = ("data.", "code.", "seed", "mlflow.source.git.commit")
_SQLITE = "sqlite:///"


def registry_document(settings: Settings) -> dict[str, Any]:
    """``champion`` and ``challenger``, each None where no version has that alias, and how many ``versions`` there are.

    Raises:
        ConfigError: The address in the settings is none.
        TrackingError: It does not answer, or refuses.
    """
    uri = settings.mlflow_tracking_uri
    if uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).expanduser().exists():
        # To look is not to make.
        raise TrackingError(f"MLflow's database {uri} does not exist")
    tracker = connect(uri, experiment=settings.mlflow_experiment_name)
    versions = list_versions(tracker, settings.mlflow_model_name)
    by_alias = {alias: version for version in versions for alias in version.aliases}
    return {
        "versions": len(versions),
        **{alias: _version_document(tracker, by_alias.get(alias)) for alias in (CHAMPION, CHALLENGER)},
    }


def _version_document(tracker: Tracker, version: ModelVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    document: dict[str, Any] = {
        "version": version.version,
        "uri": version.uri,
        "model": version.model,
        "aliases": list(version.aliases),
        "run_id": version.run_id,
        "metrics": {},
        "provenance": {},
    }
    if version.run_id:
        run = read_run(tracker, version.run_id)
        told = {**run.tags, **run.params}
        document["metrics"] = json_document(run.metrics)
        document["provenance"] = {name: value for name, value in told.items() if name.startswith(_PROVENANCE)}
    return document
