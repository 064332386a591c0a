"""tune-model: search a model's hyperparameters on parts of the training ratings."""

from typing import NamedTuple

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune_model(
    model: str,
    configs: dict,
    trials: int,
    parallel: int,
    minutes: float,
    metric: str,
    k: int,
    relevant_rating: float,
    seed: int,
    dataset: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    experiment: str,
    search: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> NamedTuple("Best", [("model", str), ("configs", dict)]):
    """Search, log the trials as one MLflow run, and hand the best hyperparameters on.

    Args:
        model: Name in wrappers/registry.py, several by commas, or auto: all that can be tuned.
        configs: Hyperparameters by model name that are not searched for.
        trials: Trials in all.
        parallel: Processes that search at a time in this step.
        minutes: No trial is begun after so many.
        metric: ndcg, recall, precision, map, mrr or hit_rate, at k.
        k: Length of a recommended list.
        relevant_rating: A held-out rating of at least this is relevant.
        seed: Seed of the search.
        dataset: What get-data wrote; only its training part is read.
        tracking_uri: MLflow's address.
        experiment: MLflow experiment to log to.
        search: SQLite file of the trials.
        report: Receives the trials in a table and pictures.

    Returns:
        The best model (the one that was named, where it was one) and its hyperparameters by model name, as train-model
        takes them.
    """
    from pathlib import Path

    from core.settings import load_settings
    from loaders.prepared import PreparedDataLoader
    from wrappers.base import EvaluationConfig
    from wrappers.tuning import Search
    from wrappers.tuning_run import TuningJob, configs_of, models_named, tune_and_log

    options = EvaluationConfig.parse({"k": k, "relevant_rating": relevant_rating}, of="evaluation")
    wanted = Search(trials, seed, minutes * 60, Path(search.path))
    loader = PreparedDataLoader(dataset.path)
    job = TuningJob(models_named(model), loader, wanted, parallel, metric, options, configs)
    root = load_settings().artifact_root
    tuned, html = tune_and_log(job, tracking_uri=tracking_uri, experiment=experiment, artifact_root=root)
    with open(report.path, "w", encoding="utf-8") as page:
        page.write(html)
    return (tuned.model, configs_of(tuned))
