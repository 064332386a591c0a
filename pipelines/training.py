"""The training pipeline: data, models side by side, evaluation, registration."""

from typing import NamedTuple

from kfp import dsl

from components.build_features import build_features
from components.evaluate_model import evaluate_model
from components.get_data import get_data
from components.register_model import register_model
from components.train_model import train_model


class Trained(NamedTuple):
    """What the training pipeline hands on: pinned model URIs (challenger may be empty), why, and what it made."""

    champion: str
    challenger: str
    reason: str
    dataset: dsl.Dataset
    leaderboard: dsl.HTML


@dsl.pipeline(name="training", description="From ratings to a champion and a challenger in the model registry.")
def training(
    source: str = "",
    loader: str = "local",
    columns: dict = {},  # noqa: B006
    models: list[str] = ["popularity", "item_knn", "ease"],  # noqa: B006 - KFP reads the default, nobody changes it
    configs: dict = {},  # noqa: B006
    pair: str = "",
    plant: str = "none",
    split: str = "random_per_user",
    split_n: int = 10,
    split_test_fraction: float = 0.2,
    split_folds: int = 5,
    split_fold: int = 0,
    thresholds: dict = {},  # noqa: B006
    quarantine: bool = False,
    k: int = 10,
    relevant_rating: float = 4.0,
    gate_metric: str = "ndcg",
    gate_threshold: float = 0.01,
    features: bool = False,
    snapshot_days: int = 30,
    seed: int = 42,
    tracking_uri: str = "",
    experiment: str = "screentest",
    model_name: str = "recommender",
) -> Trained:
    """Train every named model, evaluate it, register all and let the gate name the challenger.

    With ``features``, which models like logreg and lightgbm need, what they look up when they serve is put into Redis.
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
    with dsl.If(features == True, name="with-features"):  # noqa: E712 - KFP compiles the comparison
        build_features(dataset=dataset, every_days=snapshot_days)
    with dsl.ParallelFor(models, name="each-model") as model:
        trained = train_model(
            model=model, configs=configs, dataset=dataset, tracking_uri=tracking_uri, experiment=experiment
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
        pair=pair,
        plant=plant,
        gate_metric=gate_metric,
        gate_threshold=gate_threshold,
        k=k,
        relevant_rating=relevant_rating,
        seed=seed,
        dataset=dataset,
        tracking_uri=tracking_uri,
        model_name=model_name,
        experiment=experiment,
    )
    return Trained(
        champion=registered.outputs["champion"],
        challenger=registered.outputs["challenger"],
        reason=registered.outputs["reason"],
        dataset=dataset,
        leaderboard=registered.outputs["leaderboard"],
    )
