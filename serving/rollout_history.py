"""A finished rollout in MLflow: one run with its looks, its figures and its files, in a few calls."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields

import yaml

from events.rollouts import RolloutRecord
from experiments.result import FINAL_FIGURES, LookResult, RolloutResult
from experiments.spec import ExperimentSpec
from serving.result_documents import look_document, result_document
from tracking.client import Tracker
from tracking.runs import find_runs, log_metric_history, log_params, log_text, new_run, resumed_run, set_tags

#: Tag by which a rollout finds its own run again.
ROLLOUT_TAG = "screentest.rollout"
_NO_SERIES = {"look", "decision", "reasons"}
LOOK_SERIES = tuple(field.name for field in fields(LookResult) if field.name not in _NO_SERIES)
"""The figures of a look that become metrics ``look/<name>`` with the look's number as step."""


def log_rollout(
    tracker: Tracker, record: RolloutRecord, result: RolloutResult, html: str, params: Mapping[str, str]
) -> str:
    """Record a rollout that has come to its end; one that is recorded already is left alone.

    The run holds the spec and ``params`` as parameters, every figure of every look as metric ``look/<figure>`` over
    the look's number, every step's rates as ``step/<figure>`` over its percentage, the final figures, the decision as
    tags, and spec.yaml, looks.json, result.json and report.html as artifacts.

    Args:
        tracker: Where to.
        record: The rollout as persisted.
        result: What it amounts to.
        html: The report.
        params: Further parameters, e.g. plant and seed.

    Returns:
        The run's id.

    Raises:
        TrackingError: MLflow refused; the call may be repeated.
    """
    identity = {ROLLOUT_TAG: f"{record.experiment}-{record.created_at:.6f}"}
    known = find_runs(tracker, identity)
    if known and known[0].status == "FINISHED":
        return known[0].run_id
    name = f"rollout {record.experiment}"
    with resumed_run(tracker, known[0].run_id) if known else new_run(tracker, name, tags=identity) as run_id:
        spec = ExperimentSpec.model_validate(record.spec)
        log_params(tracker, run_id, {**spec_params(spec), **params})
        log_metric_history(tracker, run_id, _metrics(result))
        documents = {
            "spec.yaml": yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False),
            "looks.json": json.dumps([look_document(look) for look in result.looks], indent=2),
            "result.json": json.dumps(result_document(result), indent=2),
            "report.html": html,
        }
        for path, text in documents.items():
            log_text(tracker, run_id, text, f"rollout/{path}")
        verdict = {
            "screentest.decision": result.decision,
            "screentest.reasons": ",".join(result.reasons),
            "screentest.champion_after": result.champion_after,
        }
        set_tags(tracker, run_id, verdict)
        return run_id


def spec_params(spec: ExperimentSpec) -> dict[str, str]:
    """The spec as flat parameters, e.g. ``analysis.alpha`` to ``0.05``."""
    flat: dict[str, str] = {}

    def flatten(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                flatten(f"{prefix}.{key}" if prefix else str(key), part)
        else:
            flat[prefix] = json.dumps(value) if isinstance(value, list) else str(value)

    flatten("", spec.model_dump(mode="json"))
    return flat


def final_figures(result: RolloutResult) -> dict[str, float]:
    """The figures of the last look of the test that are numbers, with the counts they rest on."""
    final = result.final
    figures = {name: float(getattr(final, name)) for name in FINAL_FIGURES}
    counts = {
        "sessions": result.looks[-1].sessions,
        "challenger_sessions": final.challenger_sessions,
        "control_sessions": final.control_sessions,
        "units": result.units,
        "looks": len(result.looks),
    }
    return {name: value for name, value in {**figures, **counts}.items() if math.isfinite(value)}


def _metrics(result: RolloutResult) -> list[tuple[int, dict[str, float]]]:
    rows: list[tuple[int, dict[str, float]]] = [(0, final_figures(result))]
    for look in result.looks:
        series = {f"look/{name}": float(getattr(look, name)) for name in LOOK_SERIES}
        rows.append((look.look, {name: value for name, value in series.items() if math.isfinite(value)}))
    for step in result.steps:
        rates = {"step/challenger_mean": step.challenger_mean, "step/control_mean": step.control_mean}
        rates["step/sessions"] = float(step.sessions)
        rows.append((step.percent, {name: value for name, value in rates.items() if math.isfinite(value)}))
    return rows
