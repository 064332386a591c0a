"""A/B/n tests and bandits as documents, for the HTTP API and the command line."""

from __future__ import annotations

from typing import Any

from events.experiments import ExperimentRecord
from experiments.spec import parse_spec


def summary_document(record: ExperimentRecord, *, sessions: int) -> dict[str, Any]:
    """An experiment in a few facts.

    Args:
        record: As the database holds it.
        sessions: Sessions recorded so far, those outside of the experiment included.
    """
    spec = parse_spec(record.spec)
    return {
        "experiment": record.name,
        "kind": spec.traffic.policy,
        "state": record.state,
        "sessions": sessions,
        "control": spec.control_variant,
        "variants": {variant: _variant(record, variant, spec.variants[variant]) for variant in spec.variant_names},
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "started_at": record.started_at,
        "stopped_at": record.stopped_at,
    }


def detail_document(record: ExperimentRecord, *, sessions: int) -> dict[str, Any]:
    """An experiment with its spec."""
    return {**summary_document(record, sessions=sessions), "id": record.id, "spec": dict(record.spec)}


def _variant(record: ExperimentRecord, variant: str, uri: str) -> dict[str, Any]:
    return {"uri": uri, "url": record.servers.get(variant, {}).get("url")}
