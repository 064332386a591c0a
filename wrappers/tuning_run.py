"""A search as one MLflow run: several processes at it, its trials and the best hyperparameters kept."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.errors import ConfigError
from core.protocols import DataLoader
from evaluation.tuning_report import TriedModel, tuning_html
from tracking.client import connect
from tracking.provenance import run_params
from tracking.runs import log_metrics, log_text, new_run
from wrappers.base import EvaluationConfig
from wrappers.inner_validation import inner_judge
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model, model_names
from wrappers.tables import as_csv, as_json
from wrappers.tuning import Search, Tuned, finished, study_of, tune

#: In place of a model's name: search across all that can be tuned.
AUTO = "auto"


@dataclass(frozen=True)
class TuningJob:
    """What to search.

    Attributes:
        models: Registered names; more than one: the search is across them.
        loader: The data; only the training part is read.
        search: How to go about it; with several processes it needs a storage.
        parallel: Processes that search at a time, at least 1.
        metric: What is maximised, at k.
        options: How models are judged.
        fixed: Model to hyperparameters that are not searched for.
    """

    models: tuple[str, ...]
    loader: DataLoader
    search: Search
    parallel: int = 1
    metric: str = "ndcg"
    options: EvaluationConfig = field(default_factory=EvaluationConfig)
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ConfigError(f"parallel == {self.parallel}, must be >= 1 process")
        if self.parallel > 1 and self.search.storage is None:
            raise ConfigError("processes that search together need a storage; name a file")

    def run(self) -> Tuned:
        """Search until there are as many trials as wanted; see :func:`wrappers.tuning.tune`."""
        if self.parallel == 1:
            return self._part()
        # Counted once, so that the processes share the trials out alike whoever starts first.
        begun = finished(study_of(self.search))
        # Spawned, not forked: a child of a process with threads of BLAS or PyTorch can hang.
        with ProcessPoolExecutor(self.parallel, multiprocessing.get_context("spawn")) as pool:
            workers = [
                replace(
                    self, parallel=1, search=replace(self.search, worker=number, workers=self.parallel, begun=begun)
                )
                for number in range(self.parallel)
            ]
            for done in [pool.submit(worker._part) for worker in workers]:
                done.result()
        # All trials are there: this only reads them.
        return self._part()

    def _part(self) -> Tuned:
        from threadpoolctl import threadpool_limits

        judge = inner_judge(self.loader, metric=self.metric, config=self.options)
        with threadpool_limits(1 if self.search.workers > 1 else None):
            return tune(self.models, judge, self.search, fixed=self.fixed)


def tunable_models() -> list[str]:
    """Registered recommenders that tell what may be searched for, ascending."""
    found = (name for name in model_names() if issubclass(model(name), RecommenderWrapper))
    return [name for name in found if not model(name).negative_control and model(name).search_space]


def models_named(name: str) -> tuple[str, ...]:
    """``auto`` as all models that can be tuned; else the names, by commas."""
    if name.strip() == AUTO:
        return tuple(tunable_models())
    return tuple(one.strip() for one in name.split(",") if one.strip())


def tune_and_log(
    job: TuningJob, *, tracking_uri: str, experiment: str = "screentest", artifact_root: str = ""
) -> tuple[Tuned, str]:
    """Search, and keep what was found in a run named ``tuning``.

    The run holds the best hyperparameters as parameters, the figure of the best and of the defaults as metrics, and
    ``tuning/configs.json`` (as the training pipeline takes them), ``tuning/trials.csv`` and ``tuning/report.html``.

    Returns:
        What was found, and the report.

    Raises:
        ConfigError: Every trial was refused, or an option is not allowed.
        DataError: The training part is too small to hold out some of it.
        TrackingError: MLflow cannot be reached or refused.
    """
    tracker = connect(tracking_uri, experiment=experiment, artifact_root=artifact_root)
    searched = {"tuning.models": ",".join(job.models), "tuning.trials": job.search.trials, "tuning.metric": job.metric}
    params = {**searched, **run_params(job.loader.provenance(), seed=job.search.seed)}
    # Before the run is opened: models that log their own training would log every trial's into it.
    tuned = job.run()
    with new_run(tracker, "tuning", params=params) as run_id:
        html = report_of(tuned, job)
        figures = {"tuning.best": tuned.value, "tuning.default": tuned.default_value}
        log_metrics(tracker, run_id, {name: value for name, value in figures.items() if value is not None})
        log_text(tracker, run_id, as_json(configs_of(tuned)), "tuning/configs.json")
        log_text(tracker, run_id, as_csv(trial_rows(tuned)), "tuning/trials.csv")
        log_text(tracker, run_id, html, "tuning/report.html")
    return tuned, html


def configs_of(tuned: Tuned) -> dict[str, dict[str, Any]]:
    """The best hyperparameters as the training pipeline's ``configs`` take them."""
    return {tuned.model: tuned.config}


def trial_rows(tuned: Tuned) -> list[dict[str, Any]]:
    """A row per trial, its hyperparameters as JSON."""
    return [{**asdict(one), "config": json.dumps(one.config)} for one in tuned.trials]


def report_of(tuned: Tuned, job: TuningJob) -> str:
    """The page that shows the trials."""
    return tuning_html(
        [TriedModel(one.model, one.config, one.value, one.status) for one in tuned.trials],
        metric=f"{job.metric}@{job.options.k}",
        best=tuned.model,
        config=tuned.config,
        value=tuned.value,
        default_value=tuned.default_value,
    )
