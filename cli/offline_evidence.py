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
from wrappers.offline import metric_name
from wrappers.offline_pair import offline_pair
from wrappers.rejudged import find_rejudged

#: Offline metrics shown beside the verdict.
_SHOWN = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage")


def leaderboard(
    tracker: Tracker, request: RolloutRequest, result: RolloutResult, *, k: int, metric: str
) -> tuple[LeaderboardRow, ...]:
    """Every version judged on the rollout's data at k, best first, whether it was in the rollout or not.

    A model trained several times is there several times, told apart by its version; a champion from before with the
    figures of the day that its challenger was chosen on. What was judged on other data, another split or another k
    alone is left out.

    Args:
        tracker: MLflow.
        request: Names the data and the registered model.
        result: Names champion and challenger.
        k: Length of the lists that were compared.
        metric: What orders the rows: one of ``evaluation.ranking.METRICS``.

    Raises:
        TrackingError: MLflow refused.
    """
    roles = {result.control_version: "champion", result.challenger_version: "challenger"}
    data = data_of(request)
    rows = []
    for version in list_versions(tracker, request.model_name):
        found = _figures(tracker, version, data)
        metrics = {f"{name}@{k}": found[key] for name in _SHOWN if (key := metric_name(name, k)) in found}
        if len(metrics) == len(_SHOWN):
            rows.append(LeaderboardRow(f"{version.model} v{version.version}", metrics, roles.get(version.version, "")))
    return tuple(sorted(rows, key=lambda row: -row.metrics[f"{metric}@{k}"]))


def _figures(tracker: Tracker, version: ModelVersion, data: Mapping[str, str]) -> dict[str, float]:
    """A version's means on the data; empty where it was never judged on it."""
    if not version.run_id:
        return {}
    recorded = read_run(tracker, version.run_id)
    if all(recorded.params.get(name) == value for name, value in data.items()):
        return recorded.metrics
    rejudged = find_rejudged(tracker, version.run_id, data)
    return {} if rejudged is None else rejudged.means


def evidence(tracker: Tracker, request: RolloutRequest) -> OfflineEvidence:
    """The rollout's challenger against its champion, metric by metric.

    Raises:
        TrackingError: MLflow does not know the versions.
    """
    variants = request.spec.variants
    champion, challenger = resolve(tracker, variants.champion), resolve(tracker, variants.challenger)
    return offline_pair(tracker, champion, challenger, data_of(request), alpha=request.spec.analysis.alpha)


def data_of(request: RolloutRequest) -> dict[str, str]:
    """What the parameters of a run on the rollout's data say of it."""
    provenance = PreparedDataLoader(request.dataset).provenance().as_params()
    return {name: str(provenance[name]) for name in ("data.sha256", "data.split")}
