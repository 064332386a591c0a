"""What was known offline before a rollout: every trained model's figures, and challenger against champion."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.foretelling import OfflineEvidence
from experiments.report import LeaderboardRow
from experiments.result import RolloutResult
from loaders.prepared import PreparedDataLoader
from serving.rollout_folder import RolloutRequest
from tracking.client import Tracker
from tracking.registry import ModelVersion, list_versions, resolve
from tracking.runs import read_run
from wrappers.base import EvaluationConfig
from wrappers.offline import metric_name
from wrappers.offline_pair import judged_on, offline_pair

#: Offline metrics shown beside the verdict.
_SHOWN = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage")


def leaderboard(
    tracker: Tracker, request: RolloutRequest, result: RolloutResult, *, judged: EvaluationConfig, metric: str
) -> tuple[LeaderboardRow, ...]:
    """Every version judged on the rollout's data in one way, best first, whether it was in the rollout or not.

    A model trained several times is there several times, told apart by its version; a champion from before with the
    figures of the day that its challenger was chosen on. What was judged last on other data or another split, with
    lists of another length or by another rating that counts as liked, is left out.

    Args:
        tracker: MLflow.
        request: Names the data and the registered model.
        result: Names champion and challenger.
        judged: Length of the lists that were compared, and the rating from which an item counts as liked.
        metric: What orders the rows: one of ``evaluation.ranking.METRICS``.

    Raises:
        TrackingError: MLflow refused.
    """
    roles = {result.control_version: "champion", result.challenger_version: "challenger"}
    data = data_of(tracker, request)
    rows = []
    for version in list_versions(tracker, request.model_name):
        found = _figures(tracker, version, data, judged)
        metrics = {f"{name}@{judged.k}": found[key] for name in _SHOWN if (key := metric_name(name, judged.k)) in found}
        if len(metrics) == len(_SHOWN):
            rows.append(LeaderboardRow(f"{version.model} v{version.version}", metrics, roles.get(version.version, "")))
    return tuple(sorted(rows, key=lambda row: -row.metrics[f"{metric}@{judged.k}"]))


def _figures(
    tracker: Tracker, version: ModelVersion, data: Mapping[str, str], judged: EvaluationConfig
) -> Mapping[str, float]:
    """A version's means on the data, judged that way; empty where there are none."""
    if not version.run_id:
        return {}
    recorded = read_run(tracker, version.run_id)
    if all(recorded.params.get(name) == value for name, value in data.items()):
        way = {f"evaluation.{name}": str(value) for name, value in judged.model_dump().items()}
        return recorded.metrics if way.items() <= recorded.tags.items() else {}
    found = judged_on(tracker, version, data).evaluation
    return found.means if found is not None and found.config == judged else {}


def evidence(tracker: Tracker, request: RolloutRequest) -> OfflineEvidence:
    """The rollout's challenger against its champion, metric by metric.

    Raises:
        TrackingError: MLflow does not know the versions.
    """
    variants = request.spec.variants
    champion, challenger = resolve(tracker, variants["champion"]), resolve(tracker, variants["challenger"])
    return offline_pair(tracker, champion, challenger, data_of(tracker, request), alpha=request.spec.analysis.alpha)


def data_of(tracker: Tracker, request: RolloutRequest) -> dict[str, str]:
    """What the parameters of a run on the rollout's data say of it; on live traffic, on the challenger's own data."""
    names = ("data.sha256", "data.split")
    if request.dataset is not None:
        provenance = PreparedDataLoader(request.dataset).provenance().as_params()
        return {name: str(provenance[name]) for name in names}
    challenger = resolve(tracker, request.spec.variants["challenger"])
    recorded = read_run(tracker, challenger.run_id).params if challenger.run_id else {}
    return {name: recorded.get(name, "") for name in names}
