"""A rollout in MLflow: one run that gets each look as it is taken, and at the end figures and files, in a few calls."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields

import yaml

from core.errors import TrackingError
from events.rollouts import RolloutRecord
from experiments.result import FINAL_FIGURES, LookResult, RolloutResult
from experiments.spec import ExperimentSpec
from serving.result_documents import look_document, result_document
from tracking.client import Tracker
from tracking.runs import (
    RunRecord,
    find_runs,
    log_metric_history,
    log_params,
    log_text,
    logged_steps,
    new_run,
    resumed_run,
    set_tags,
)

#: Tag by which a rollout finds its own run again.
ROLLOUT_TAG = "screentest.rollout"
#: Tag that is set last: a run without it is not whole yet.
_DECISION = "screentest.decision"
#: A figure that every look has: the looks that MLflow knows are those it has this figure of.
_EVERY_LOOK = "look/sessions"
_NO_SERIES = {"look", "decision", "reasons", "log_commits", "metrics"}
LOOK_SERIES = tuple(field.name for field in fields(LookResult) if field.name not in _NO_SERIES)
"""The figures of a look that become metrics ``look/<name>`` with the look's number as step."""
_METRIC_SERIES = ("challenger_mean", "control_mean", "effect_size", "ci_lower", "ci_upper", "pvalue")

_log = logging.getLogger(__name__)


@contextmanager
def live_history(
    tracker: Tracker, record: RolloutRecord, params: Mapping[str, str]
) -> Iterator[Callable[[Sequence[LookResult]], None]]:
    """Keep MLflow up to date while a rollout runs.

    The rollout does not depend on it: where MLflow fails, that is said once, and ``log_rollout`` logs at the end what
    is missing. The run is RUNNING for the length of the block, FAILED or KILLED where the block ends with an error.

    Args:
        tracker: Where to.
        record: The rollout as persisted; a run that an earlier, killed process began is gone on with.
        params: Further parameters, e.g. plant and seed.

    Yields:
        A function to call with all looks taken so far; those that MLflow knows already are not logged again.
    """
    with ExitStack() as stack:
        run_id, failed = "", False

        def tell(looks: Sequence[LookResult]) -> None:
            nonlocal run_id, failed
            if failed or not looks:
                return
            try:
                run_id = run_id or stack.enter_context(_run_of(tracker, record, params))
                _log_looks(tracker, run_id, looks)
            except TrackingError as error:
                failed = True
                _log.warning("%s; the rollout goes on, its looks are logged to MLflow at its end", error)

        yield tell


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
    known = _known_run(tracker, record)
    if known is not None and known.status == "FINISHED" and _DECISION in known.tags:
        return known.run_id
    spec = ExperimentSpec.model_validate(record.spec)
    with _run_of(tracker, record, params) as run_id:
        _log_looks(tracker, run_id, result.looks)
        log_metric_history(tracker, run_id, _metrics(result))
        documents = {
            "spec.yaml": yaml.safe_dump(spec.document(), sort_keys=False),
            "looks.json": json.dumps([look_document(look) for look in result.looks], indent=2),
            "result.json": json.dumps(result_document(result), indent=2),
            "report.html": html,
        }
        for path, text in documents.items():
            log_text(tracker, run_id, text, f"rollout/{path}")
        verdict = {
            _DECISION: result.decision,
            "screentest.reasons": ",".join(result.reasons),
            "screentest.champion_after": result.champion_after,
        }
        set_tags(tracker, run_id, verdict)
        return run_id


@contextmanager
def _run_of(tracker: Tracker, record: RolloutRecord, params: Mapping[str, str]) -> Iterator[str]:
    """The rollout's run for the length of a with-block, with its parameters: the one it has already, or a new one."""
    known = _known_run(tracker, record)
    name = f"rollout {record.experiment}"
    with resumed_run(tracker, known.run_id) if known else new_run(tracker, name, tags=_identity(record)) as run_id:
        log_params(tracker, run_id, {**spec_params(ExperimentSpec.model_validate(record.spec)), **params})
        yield run_id


def _known_run(tracker: Tracker, record: RolloutRecord) -> RunRecord | None:
    found = find_runs(tracker, _identity(record))
    return found[0] if found else None


def _identity(record: RolloutRecord) -> dict[str, str]:
    return {ROLLOUT_TAG: f"{record.experiment}-{record.created_at:.6f}"}


def _log_looks(tracker: Tracker, run_id: str, looks: Sequence[LookResult]) -> None:
    """Log the looks that the run does not have yet, all in one call."""
    known = logged_steps(tracker, run_id, _EVERY_LOOK)
    rows = []
    for look in looks:
        if look.look not in known:
            series = {f"look/{name}": float(getattr(look, name)) for name in LOOK_SERIES}
            series |= {f"look/{one.name}/{name}": getattr(one, name) for one in look.metrics for name in _METRIC_SERIES}
            rows.append((look.look, {name: value for name, value in series.items() if math.isfinite(value)}))
    log_metric_history(tracker, run_id, rows)


def spec_params(spec: ExperimentSpec) -> dict[str, str]:
    """The spec as flat parameters, e.g. ``analysis.alpha`` to ``0.05``."""
    flat: dict[str, str] = {}

    def flatten(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                flatten(f"{prefix}.{key}" if prefix else str(key), part)
        else:
            flat[prefix] = json.dumps(value) if isinstance(value, list) else str(value)

    flatten("", spec.document())
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
        "all_units": result.all_units,
        "exposed_units": result.exposed_units,
        "looks": len(result.looks),
    }
    return {name: value for name, value in {**figures, **counts}.items() if math.isfinite(value)}


def _metrics(result: RolloutResult) -> list[tuple[int, dict[str, float]]]:
    """The final figures, and each step's rates over its percentage."""
    rows: list[tuple[int, dict[str, float]]] = [(0, final_figures(result))]
    for step in result.steps:
        rates = {"step/challenger_mean": step.challenger_mean, "step/control_mean": step.control_mean}
        rates["step/sessions"] = float(step.sessions)
        rows.append((step.percent, {name: value for name, value in rates.items() if math.isfinite(value)}))
    return rows
