"""Registered versions in the event database, beside the sessions that they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from events.catalogue import RegisteredModel, record_models
from tracking.client import connect
from tracking.registry import MODEL_KIND, ModelVersion
from tracking.runs import read_run

_PROVENANCE = ("data.", "code.", "seed")


def keep_versions(events_url: str, versions: Sequence[ModelVersion], *, tracking_uri: str, experiment: str) -> int:
    """Write versions with their metrics and what they were trained on.

    Args:
        events_url: Of the event database; empty: there is none, nothing is written.
        versions: As they are registered.
        tracking_uri: MLflow's address.
        experiment: Where their runs are.

    Returns:
        Rows written.

    Raises:
        TrackingError: MLflow refused.
        EventLogError: The database refused; repeating the step writes the same.
    """
    if not events_url:
        return 0
    tracker = connect(tracking_uri, experiment=experiment)
    rows = []
    for version in versions:
        run = read_run(tracker, version.run_id)
        provenance = {name: value for name, value in (run.params | run.tags).items() if name.startswith(_PROVENANCE)}
        rows.append(
            RegisteredModel(
                version.name, version.version, version.model, version.run_id, _metrics(version.tags), provenance
            )
        )
    return record_models(events_url, rows)


def _metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """What registration tagged the version with; people may have added words."""
    found = {}
    for name, value in tags.items():
        try:
            found[name] = float(value)
        except ValueError:
            continue
    return {name: value for name, value in found.items() if name != MODEL_KIND}
