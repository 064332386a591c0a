"""The tuning pipeline: data, a search per model side by side, and a training pipeline's steps with what was found."""

from typing import NamedTuple

from kfp import dsl

from components.evaluate_model import evaluate_model
from components.get_data import get_data
from components.register_model import register_model
from components.train_model import train_model
from components.tune_model import tune_model


class TunedModels(NamedTuple):
    """What the tuning pipeline hands on: pinned model URIs (challenger may be empty), why, and the leaderboard."""

    champion: str
    challenger: str
    reason: str
    leaderboard: dsl.HTML


@dsl.pipeline(name="tuning", description="From ratings to tuned models, a champion and a challenger in the registry.")
def tuning(
    source: str = "",
    loader: str = "local",
    columns: dict = {},  # noqa: B006 - KFP reads the default, nobody changes it
    models: list[str] = ["popularity", "item_knn", "ease"],  # noqa: B006
    configs: dict = {},  # noqa: B006
    trials: int = 30,
    parallel: int = 1,
    minutes: float = 60.0,
    split: str = "random_per_user",
    split_n: int = 10,
    split_test_fraction: float = 0.2,
    split_folds: int = 5,
    split_fold: int = 0,
    thresholds: dict = {},  # noqa: B006
    quarantine: bool = False,
    k: int = 10,
    relevant_rating: float = 4.0,
    metric: str = "ndcg",
    gate_threshold: float = 0.01,
    seed: int = 42,
    tracking_uri: str = "",
    experiment: str = "screentest",
    model_name: str = "recommender",
) -> TunedModels:
    """Search every named model's hyperparameters in the training part, train with the best, evaluate, register.

    Models are searched side by side where the cluster has room, trials of one model in ``parallel`` processes.
    """
    data = get_data(
        source=source,
        loader=loader,
        columns=columns,
        split=split,
        split_n=split_n,
        split_test_fraction=split_test_fraction,
        split_folds=split_folds,
        split_fold=split_fold,
        seed=seed,
        thresholds=thresholds,
        quarantine=quarantine,
    )
    dataset = data.outputs["dataset"]
    with dsl.ParallelFor(models, name="each-model") as model:
        tuned = tune_model(
            model=model,
            configs=configs,
            trials=trials,
            parallel=parallel,
            minutes=minutes,
            metric=metric,
            k=k,
            relevant_rating=relevant_rating,
            seed=seed,
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment=experiment,
        )
        trained = train_model(
            model=tuned.outputs["model"],
            configs=tuned.outputs["configs"],
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment=experiment,
        )
        evaluated = evaluate_model(
            run_id=trained.outputs["run_id"],
            k=k,
            relevant_rating=relevant_rating,
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment=experiment,
        )
    registered = register_model(
        run_ids=dsl.Collected(evaluated.outputs["Output"]),
        pair="",
        plant="none",
        gate_metric=metric,
        gate_threshold=gate_threshold,
        k=k,
        relevant_rating=relevant_rating,
        seed=seed,
        dataset=dataset,
        tracking_uri=tracking_uri,
        model_name=model_name,
        experiment=experiment,
    )
    return TunedModels(
        champion=registered.outputs["champion"],
        challenger=registered.outputs["challenger"],
        reason=registered.outputs["reason"],
        leaderboard=registered.outputs["leaderboard"],
    )
