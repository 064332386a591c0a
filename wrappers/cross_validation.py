"""k-fold cross-validation of models: every rating is held out once, and how figures vary from fold to fold is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.interactions import Interactions
from core.progress import report
from core.protocols import DataLoader
from evaluation.fold_report import folds_html
from evaluation.folds import kfold_per_user
from evaluation.ranking import METRICS
from tracking.client import connect
from tracking.provenance import run_params
from tracking.runs import log_metrics, log_text, new_run
from wrappers.base import EvaluationConfig
from wrappers.contestants import as_recommender
from wrappers.judgement import facts
from wrappers.offline import OfflineEvaluation, evaluate_recommender, metric_name
from wrappers.registry import model
from wrappers.tables import as_csv, as_json


@dataclass(frozen=True)
class CrossValidation:
    """Models judged on the same folds.

    Attributes:
        folds: Model to its evaluation on each fold, in the order of the folds.
        options: How they were judged.
    """

    folds: Mapping[str, list[OfflineEvaluation]]
    options: EvaluationConfig

    def figures(self, metric: str) -> dict[str, npt.NDArray[np.float64]]:
        """Model to (n_folds,) means of a metric, named as in MLflow (``ndcg_at_10``); NaN where it has none."""
        return {
            name: np.array([fold.means.get(metric, np.nan) for fold in of_model])
            for name, of_model in self.folds.items()
        }

    @property
    def metrics(self) -> list[str]:
        """What any model has a figure for, in the order of ``OfflineEvaluation.means``."""
        return list(dict.fromkeys(name for folds in self.folds.values() for fold in folds for name in fold.means))

    def rows(self) -> list[dict[str, Any]]:
        """A flat row of JSON values per model and fold: model, fold, users, and the means; None where there is none."""
        return [
            {"model": name, "fold": number, "n_users": fold.n_users}
            | {metric: fold.means.get(metric) for metric in self.metrics}
            for name, of_model in self.folds.items()
            for number, fold in enumerate(of_model)
        ]


def cross_validate(
    models: Mapping[str, Mapping[str, Any]],
    interactions: Interactions,
    *,
    n_folds: int = 5,
    seed: int = 0,
    options: EvaluationConfig | None = None,
) -> CrossValidation:
    """Train each model n_folds times, each time without one fold, and judge it on that.

    Each user's ratings are dealt out over the folds (:func:`evaluation.folds.kfold_per_user`), so that everybody is
    judged in every fold as far as her ratings go. Folds share training ratings, so their spread shows how stable a
    figure is; it is no standard error (Bengio & Grandvalet 2004).

    Args:
        models: Registered name to hyperparameters; empty ones are the defaults.
        interactions: All ratings that may be used.
        n_folds: At least 2.
        seed: Of the dealing out.
        options: How the lists are judged.

    Raises:
        ConfigError: There is no model, n_folds < 2, or a hyperparameter is not allowed.
        DataError: A fold has nothing to learn from or to judge by.
        UnknownName: Nobody registered a model.
    """
    if not models or n_folds < 2:
        raise ConfigError(f"{len(models)} models and n_folds == {n_folds}; must be at least 1 and 2")
    judged_by = options or EvaluationConfig()
    # Made before any training, so that a name or a hyperparameter that is wrong is refused at once.
    untrained = {name: as_recommender(model(name)(config)) for name, config in models.items()}
    splits = kfold_per_user(interactions.ratings["user_id"].to_numpy(), n_folds, seed)
    folds: dict[str, list[OfflineEvaluation]] = {name: [] for name in models}
    done, total = 0, n_folds * len(models)
    for number, split in enumerate(splits, 1):
        train, test = interactions.take(split.train), interactions.take(split.test)
        for name, recommender in untrained.items():
            # Told before it is trained: what comes next may take minutes.
            report("cross-validate", done, total, f"training {name} for fold {number} of {n_folds}")
            trained = type(recommender)(recommender.config).fit(train)
            folds[name].append(evaluate_recommender(trained, test, judged_by))
            done += 1
    report("cross-validate", done, total)
    return CrossValidation(folds, judged_by)


def cross_validate_and_log(
    models: Mapping[str, Mapping[str, Any]],
    loader: DataLoader,
    *,
    tracking_uri: str,
    metric: str = "ndcg",
    n_folds: int = 5,
    seed: int = 0,
    options: EvaluationConfig | None = None,
    experiment: str = "screentest",
    artifact_root: str = "",
) -> tuple[CrossValidation, str]:
    """Cross-validate on all of a loader's ratings, and keep it in a run named ``cross-validation``.

    The run holds mean and standard deviation over the folds of each model's figures as metrics (``ease.ndcg_at_10``,
    ``ease.ndcg_at_10_sd``), and ``folds/folds.json``, ``folds/folds.csv`` and ``folds/report.html`` with box plots.

    Returns:
        The figures and the page.

    Raises:
        ConfigError: As :func:`cross_validate`, or there is no such metric.
        DataError: As there, or the data cannot be used.
        TrackingError: MLflow cannot be reached or refused.
    """
    if metric not in METRICS:
        raise ConfigError(f"metric == {metric!r}, must be one of {', '.join(METRICS)}")
    tracker = connect(tracking_uri, experiment=experiment, artifact_root=artifact_root)
    judged_by = options or EvaluationConfig()
    params = {
        "folds.models": ",".join(models),
        "folds.n": n_folds,
        **judged_by.model_dump(),
        **run_params(loader.provenance(), seed=seed),
    }
    with new_run(tracker, "cross-validation", params=params) as run_id:
        found = cross_validate(models, loader.load(), n_folds=n_folds, seed=seed, options=judged_by)
        told = {**facts(loader.provenance(), judged_by), "Held out": f"each of {n_folds} folds once, seed {seed}"}
        html = folds_html(
            {name: found.figures(name) for name in found.metrics},
            primary=metric_name(metric, judged_by.k),
            n_folds=n_folds,
            facts=told,
        )
        log_metrics(tracker, run_id, _means_and_deviations(found))
        log_text(tracker, run_id, as_json(found.rows()), "folds/folds.json")
        log_text(tracker, run_id, as_csv(found.rows()), "folds/folds.csv")
        log_text(tracker, run_id, html, "folds/report.html")
    return found, html


def _means_and_deviations(found: CrossValidation) -> dict[str, float]:
    figures: dict[str, float] = {}
    for metric in found.metrics:
        for name, values in found.figures(metric).items():
            if not np.isnan(values).any():
                figures[f"{name}.{metric}"] = float(values.mean())
                figures[f"{name}.{metric}_sd"] = float(values.std(ddof=1))
    return figures
