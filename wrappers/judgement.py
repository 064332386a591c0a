"""A trained model judged, and its run told."""

from __future__ import annotations

from dataclasses import dataclass

from core.protocols import DataLoader, Provenance
from evaluation.report import EvaluatedModel, evaluation_html
from tracking.client import Tracker
from tracking.runs import log_arrays, log_metrics, log_params, log_text, read_run, set_tags
from wrappers.base import EvaluationConfig
from wrappers.offline import OfflineEvaluation, figures_of, segment_rows
from wrappers.recommender import RecommenderWrapper
from wrappers.tables import as_csv, as_json


@dataclass(frozen=True)
class Evaluated:
    """What was added to a run.

    Attributes:
        means: Metric name, e.g. ``ndcg_at_10``, to its mean over users.
        html: The report.
        evaluation: Every user's figures.
    """

    means: dict[str, float]
    html: str
    evaluation: OfflineEvaluation


def judge(
    tracker: Tracker, run_id: str, recommender: RecommenderWrapper, loader: DataLoader, options: EvaluationConfig
) -> Evaluated:
    """Evaluate a model on the loader's test part and add the figures to its run.

    The run receives the means as metrics, and under ``evaluation/`` every user's figures (``per_user.npz``), a table
    (``figures.json``, ``figures.csv``), segments (``segments.json``, ``segments.csv``) and a report (``report.html``)
    with curves. How it was judged is recorded as
    ``evaluation.k`` and ``evaluation.relevant_rating``: as parameters, which MLflow never changes, of the first
    evaluation; as tags of the latest, whose figures the run holds.

    Raises:
        DataError: No held-out rating is relevant.
        TrackingError: MLflow refused.
    """
    evaluation = recommender.evaluate(loader, options)
    html = evaluation_html(
        [EvaluatedModel(recommender.name, evaluation.summaries, evaluation.coverage, details=evaluation.details)],
        k=options.k,
        facts=facts(loader.provenance(), options),
    )
    figures = figures_of(evaluation)
    users = {"evaluation.users": evaluation.n_users, "evaluation.cold_users": evaluation.n_cold}
    _log_options(tracker, run_id, options)
    log_metrics(tracker, run_id, {**evaluation.means, **users})
    log_arrays(tracker, run_id, evaluation.arrays())
    log_text(tracker, run_id, as_json(figures), "evaluation/figures.json")
    log_text(tracker, run_id, as_csv([figures]), "evaluation/figures.csv")
    segments = segment_rows(evaluation)
    log_text(tracker, run_id, as_json(segments), "evaluation/segments.json")
    log_text(tracker, run_id, as_csv(segments), "evaluation/segments.csv")
    log_text(tracker, run_id, html, "evaluation/report.html")
    return Evaluated(evaluation.means, html, evaluation)


def _log_options(tracker: Tracker, run_id: str, options: EvaluationConfig) -> None:
    judged_by = {f"evaluation.{name}": str(value) for name, value in options.model_dump().items()}
    recorded = read_run(tracker, run_id).params
    log_params(tracker, run_id, {name: value for name, value in judged_by.items() if name not in recorded})
    set_tags(tracker, run_id, judged_by)


def facts(provenance: Provenance, options: EvaluationConfig) -> dict[str, str]:
    """What a report says its figures were made from."""
    seed = "" if provenance.seed is None else f", seed {provenance.seed}"
    return {
        "Data": f"{provenance.source} ({provenance.layout}, SHA-256 {provenance.sha256[:12]})",
        "Held out": f"{provenance.split}{seed}",
        "Relevant": f"a held-out rating of at least {options.relevant_rating:g}",
    }
