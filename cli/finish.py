"""The end of a run: result.json, report.html, the seconds in MLflow, and the verdict on the terminal.

``screentest demo`` ends here, and so does ``screentest rollout resume`` after a demo that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rich.console import Console

from cli import offline_evidence, verdict
from cli.run_folder import RunFolder
from core.errors import RolloutError
from events.database import open_database
from events.rollouts import RolloutRecord, load_rollout
from experiments.foretelling import OfflineEvidence, foretell
from experiments.foretelling_report import tell_foretelling
from experiments.report import ReportContext, rollout_html
from experiments.result import RolloutResult
from serving.failed_answers import failure_hints
from serving.live_rollout import data_params
from serving.result_documents import result_document
from serving.rollout_folder import RolloutFolder, RolloutRequest
from serving.rollout_history import log_rollout
from tracking.client import Tracker, connect
from tracking.provenance import code_version
from tracking.runs import log_metrics, log_text
from wrappers.base import EvaluationConfig

_OPEN = ("open the rest", "make up (review page, MLflow, model servers, policy server); make down stops it")


@dataclass(frozen=True)
class Told:
    """What the run's stages know and the rollout's folder does not.

    Attributes:
        data: One line on the data.
        k: Length of the lists that the models were compared on.
        metric: The gate's metric; the leaderboard is ordered by it.
        tracking_uri: MLflow's address.
        model_name: The registered model.
        seconds: Stage to duration.
        relevant_rating: From which held-out rating on an item counted as liked; a plan of an older run does not tell.
    """

    data: str
    k: int
    metric: str
    tracking_uri: str
    model_name: str
    seconds: Mapping[str, float]
    relevant_rating: float = 4.0

    @property
    def judged(self) -> EvaluationConfig:
        """How the models were compared."""
        return EvaluationConfig(k=self.k, relevant_rating=self.relevant_rating)


def finish(run: RunFolder, told: Told, console: Console) -> dict[str, Any]:
    """Write down and tell what a finished rollout amounts to.

    Args:
        run: The run's folder; its rollout has come to its end.
        told: What the folder does not hold.
        console: Where to tell it.

    Returns:
        What ``result.json`` holds.

    Raises:
        ConfigError: The folder holds no finished rollout.
        TrackingError: MLflow cannot be reached.
    """
    folder = RolloutFolder(run.path)
    request, result = folder.read_request(), folder.read_result()
    tracker = connect(request.tracking_uri, experiment=request.experiment)
    offline = offline_evidence.evidence(tracker, request)
    context = _context(run, tracker, request, result, told, offline)
    html = rollout_html(result, context)
    run_id = log_rollout(tracker, _record(folder, request), result, html, {})
    log_text(tracker, run_id, html, "rollout/report.html")
    foretelling = _foretelling(offline, result)
    seconds = {f"seconds/{stage}": value for stage, value in told.seconds.items()}
    log_metrics(tracker, run_id, {**seconds, **_offline_metrics(offline)})
    log_text(tracker, run_id, json.dumps(foretelling, indent=2), "rollout/foretelling.json")
    run.write(run.report, html)
    document = {
        **result_document(result),
        **foretelling,
        "data": told.data,
        "seed": request.seed,
        "seconds": dict(told.seconds),
        "run": str(run.path),
        "report": str(run.report),
    }
    run.write(run.result, json.dumps(document, indent=2, allow_nan=False) + "\n")
    verdict.show(result, context, console)
    return document


def _record(folder: RolloutFolder, request: RolloutRequest) -> RolloutRecord:
    engine = open_database(folder.events_url)
    try:
        record = load_rollout(engine, request.spec.name)
    finally:
        engine.dispose()
    if record is None:
        raise RolloutError(f"rollout {request.spec.name!r} is not in {folder.events_name}")
    return record


def _foretelling(offline: OfflineEvidence, result: RolloutResult) -> dict[str, Any]:
    """Every offline metric's difference and verdict as JSON values, and what came of it in words."""
    story = tell_foretelling(offline, result)
    return {
        "foretelling": [row.as_document() for row in foretell(offline, result)],
        "foretelling_note": " ".join((*story.summary, *story.method)),
    }


def _offline_metrics(offline: OfflineEvidence) -> dict[str, float]:
    """Differences as MLflow names and takes them, e.g. ``offline/ndcg_at_10/effect_size``; no ``@``, no NaN."""
    return {
        f"offline/{one.metric.replace('@', '_at_')}/{name}": value
        for one in offline.differences
        for name in ("effect_size", "ci_lower", "ci_upper")
        if isfinite(value := getattr(one, name))
    }


def _context(
    run: RunFolder,
    tracker: Tracker,
    request: RolloutRequest,
    result: RolloutResult,
    told: Told,
    offline: OfflineEvidence,
) -> ReportContext:
    visitors = str(request.n_visitors) if request.simulated else "live traffic"
    return ReportContext(
        spec=request.spec,
        data=told.data,
        leaderboard=offline_evidence.leaderboard(tracker, request, result, judged=told.judged, metric=told.metric),
        offline=offline,
        seconds=told.seconds,
        run_folder=str(run.path),
        hints=(
            *failure_hints(RolloutFolder(run.path), request, result.reasons),
            ("report", str(run.report)),
            *([] if request.policy_url else [_OPEN]),
        ),
        provenance={"code version": str(code_version()), **data_params(request), "visitors": visitors},
    )
