"""From ratings to a world of known truth: models trained, lists made, the chance of a click behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import ConfigError
from core.ids import UNKNOWN, IdIndex
from core.progress import report
from core.protocols import DataLoader
from core.settings import Settings
from experiments.click_fit import fit_click_model, held_out_ratings
from experiments.click_model import NO_ITEM, ClickConfig
from experiments.known_world import KnownWorld, click_world, replay_world
from experiments.spec import ExperimentSpec
from wrappers.recommender import RecommenderWrapper

if TYPE_CHECKING:
    from loaders.base import OpenableLoader
    from serving.rollout_folder import RolloutRequest

Lists = dict[str, npt.NDArray[np.int64]]


#: Who clicks: simulated users, or real ones whose held-out ratings are replayed.
WorldKind = Literal["click_model", "replay"]


@dataclass(frozen=True)
class WorldPlan:
    """What makes a world.

    Attributes:
        kind: Who clicks.
        visitors: Simulated users of the click model.
        daily: Sessions a day.
        seed: Of everything random.
    """

    kind: WorldKind
    visitors: int
    daily: int
    seed: int


@dataclass(frozen=True)
class TrainedArms:
    """Recommenders to be shown, and the ratings they are judged by.

    Attributes:
        recommenders: Arm to its trained model; the first is the control.
        loader: The data.
        told: Where they come from, for people.
    """

    recommenders: Mapping[str, RecommenderWrapper]
    loader: DataLoader
    told: str


def trained_arms(
    settings: Settings, names: Sequence[str], configs: Mapping[str, Mapping[str, Any]], *, seed: int, quiet: bool
) -> TrainedArms:
    """Train models on the training part of the settings' data.

    Args:
        settings: Say which data, and how they are divided.
        names: Registered models, at least two; one that is named again is shown as another arm (an A/A test).
        configs: Hyperparameters by model.
        seed: Of the split, and of synthetic data.
        quiet: Print no progress.

    Raises:
        ConfigError: Fewer than two models, or a hyperparameter is not allowed.
        UnknownName: Nobody registered a model.
        DataError: The data are not what they should be.
    """
    from wrappers.contestants import as_recommender
    from wrappers.registry import model

    if len(names) < 2:
        raise ConfigError(f"models == {','.join(names)!r}, must be two or more by commas, the control first")
    classes = {name: model(name) for name in names}
    loader, why = chosen_loader(settings, seed)
    trained: dict[str, RecommenderWrapper] = {}
    for done, (name, kind) in enumerate(classes.items()):
        if not quiet:
            report("train", done, len(classes), name)
        trained[name] = as_recommender(kind(configs.get(name)).prepare(loader))
    arms: dict[str, RecommenderWrapper] = {}
    for place, name in enumerate(names):
        again = list(names[:place]).count(name)
        arms[f"{name}-{again + 1}" if again else name] = trained[name]
    return TrainedArms(arms, loader, why)


def rollout_arms(folder: Path) -> TrainedArms:
    """The two models of a demo's rollout, on its data.

    Raises:
        ConfigError: The folder holds no rollout.
        TrackingError: MLflow cannot be reached or has no such model.
    """
    from loaders.prepared import PreparedDataLoader
    from serving.rollout_folder import RolloutFolder
    from tracking.client import connect
    from tracking.registry import download, resolve
    from wrappers.artifact import load_wrapper
    from wrappers.contestants import as_recommender

    request = RolloutFolder(folder).read_request()
    tracker = connect(request.tracking_uri, experiment=request.experiment)
    arms: dict[str, RecommenderWrapper] = {}
    for uri in (request.spec.variants["champion"], request.spec.variants["challenger"]):
        version = resolve(tracker, uri)
        name = version.model if version.model not in arms else f"{version.model}-2"
        arms[name] = as_recommender(load_wrapper(download(tracker, version.uri)))
    return TrainedArms(arms, PreparedDataLoader(_dataset(request, folder)), f"the models and ratings of {folder}")


def _dataset(request: RolloutRequest, folder: Path) -> Path:
    if request.dataset is None:
        raise ConfigError(f"the rollout of {folder} was on live traffic and has no ratings; name a demo's folder")
    return request.dataset


def spec_arms(spec: ExperimentSpec, settings: Settings, run: Path | None, *, seed: int) -> TrainedArms:
    """The models that an experiment spec names, from MLflow.

    Args:
        spec: The experiment; the control comes first.
        settings: Say where MLflow is, which data, and how they are divided.
        run: A run's folder, whose MLflow and data are taken instead.
        seed: Of the split.

    Raises:
        ConfigError: Nobody says where MLflow is.
        TrackingError: MLflow cannot be reached or has no such model.
        DataError: The data are not what they should be.
    """
    from serving.rollout_folder import RolloutFolder
    from tracking.client import connect
    from tracking.registry import download, resolve
    from wrappers.artifact import load_wrapper
    from wrappers.contestants import as_recommender

    loader: DataLoader
    if run is not None:
        from loaders.prepared import PreparedDataLoader

        request = RolloutFolder(run).read_request()
        tracker = connect(request.tracking_uri, experiment=request.experiment)
        loader, told = PreparedDataLoader(_dataset(request, run)), f"the models of {spec.name}, the ratings of {run}"
    elif settings.mlflow_tracking_uri:
        tracker = connect(settings.mlflow_tracking_uri, experiment=settings.mlflow_experiment_name)
        loader, why = chosen_loader(settings, seed)
        told = f"the models of {spec.name}, {why}"
    else:
        raise ConfigError("MLFLOW_TRACKING_URI is not set, and the spec's models are in MLflow: set it, or name --run")
    recommenders = {
        name: as_recommender(load_wrapper(download(tracker, resolve(tracker, spec.variants[name]).uri)))
        for name in spec.variant_names
    }
    return TrainedArms(recommenders, loader, told)


def chosen_loader(settings: Settings, seed: int) -> tuple[OpenableLoader, str]:
    """The settings' data, and why it is these."""
    from cli.audition import source_of
    from loaders.base import SplitRule
    from loaders.registry import open_loader

    source = source_of(settings)
    split = SplitRule(
        settings.split, settings.split_n, settings.split_test_fraction, seed, settings.split_folds, settings.split_fold
    )
    loader = open_loader(source.kind, source=source.path, split=split, seed=seed, columns=settings.data_columns)
    return loader, source.why


def known_world(arms: TrainedArms, plan: WorldPlan, settings: Settings) -> KnownWorld:
    """Who comes, and what they click in each model's list of ``settings.k``.

    Raises:
        ConfigError: The world cannot be fitted.
        DataError: Nothing was held out.
    """
    train, test = arms.loader.train(), arms.loader.test()
    if plan.kind == "click_model":
        config = ClickConfig(n_visitors=plan.visitors, k=settings.k)
        model = fit_click_model(train, test, seed=plan.seed, config=config)
        return click_world(model, _lists(arms, model.users, model.items, settings.k), daily=plan.daily)
    ratings = pd.concat([train.ratings, test.ratings], ignore_index=True)
    users, items = (IdIndex.of(ratings[name].to_numpy()) for name in ("user_id", "item_id"))
    return replay_world(
        held_out_ratings(test, users, items, settings.relevant_rating),
        [str(one) for one in users.ids.tolist()],
        _lists(arms, users, items, settings.k),
        seed=plan.seed,
        daily=plan.daily,
        first_day=max(int(ratings["timestamp"].max()) // 86_400 + 1, 0),
    )


def _lists(arms: TrainedArms, users: IdIndex, items: IdIndex, k: int) -> Lists:
    """Arm to (n_users, k) item indexes; an item that is in no rating is left out, since nobody can click it."""
    found: Lists = {}
    made: dict[int, npt.NDArray[np.int64]] = {}
    for arm, recommender in arms.recommenders.items():
        if id(recommender) not in made:
            shown = recommender.recommend(users.ids, k).item_index
            place = items.index_of(recommender.known.items.ids)
            place = np.where(place == UNKNOWN, NO_ITEM, place)
            made[id(recommender)] = np.where(shown == UNKNOWN, NO_ITEM, place[np.maximum(shown, 0)])
        found[arm] = made[id(recommender)]
    return found
