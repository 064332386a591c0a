"""Models in a comparison: read from MLflow, or taken from the registry and judged now, on today's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import ConfigError, TrackingError, UnknownName
from core.protocols import DataLoader
from tracking.client import Tracker
from tracking.models import model_folder
from tracking.provenance import run_params
from tracking.registry import CHAMPION, MODEL_KIND, ModelVersion, download, version_for
from tracking.runs import PER_USER, read_arrays, read_run
from wrappers.artifact import load_wrapper
from wrappers.base import EvaluationConfig
from wrappers.offline import OfflineEvaluation
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

#: Parameter of a planted run: the run whose artifact it took.
MADE_FROM_RUN = "made_from_run"


@dataclass(frozen=True)
class Contestant:
    """A trained and evaluated model.

    Attributes:
        name: What it is called in the comparison; its model's name where that tells it apart.
        model: Registered name of its model.
        run_id: The run that trained it.
        evaluation: Its figures on the test part that all are compared on.
        version: Its version in the model registry, where it has one already.
        refitted: Its figures are of the same model and hyperparameters trained on today's train part, because its
            own artifact learned from another.
    """

    name: str
    model: str
    run_id: str
    evaluation: OfflineEvaluation
    version: ModelVersion | None = None
    refitted: bool = False

    @property
    def is_negative_control(self) -> bool:
        """Made to lose: compared, never chosen."""
        return model(self.model).negative_control


def trained_contestants(tracker: Tracker, run_ids: Sequence[str], options: EvaluationConfig) -> list[Contestant]:
    """The models that runs trained, with the figures the runs hold.

    Args:
        tracker: Where the runs are.
        run_ids: At least one, each trained and evaluated.
        options: How they must have been evaluated.

    Raises:
        ConfigError: No run is given, or one was evaluated otherwise, or on other users than the rest.
        TrackingError: A run does not exist, or has no model or evaluation.
    """
    if not run_ids:
        raise ConfigError("no run was given; train and evaluate at least one model")
    found = [_trained(tracker, run_id, options) for run_id in dict.fromkeys(run_ids)]
    for one in found[1:]:
        _check_same_users(found[0], one)
    several = {name for name, count in Counter(one.model for one in found).items() if count > 1}
    return [replace(one, name=f"{one.name} {one.run_id[:8]}") if one.model in several else one for one in found]


def _trained(tracker: Tracker, run_id: str, options: EvaluationConfig) -> Contestant:
    run = read_run(tracker, run_id)
    kind = run.tags.get(MODEL_KIND, "")
    if not kind:
        raise TrackingError(f"run {run_id} ({run.name}, {run.status}) trained no model; give runs that trained one")
    evaluation = OfflineEvaluation.from_arrays(read_arrays(tracker, run_id, PER_USER))
    if evaluation.config != options:
        raise ConfigError(
            f"run {run_id} ({kind}) was evaluated with {evaluation.config}, must be {options}; evaluate it again"
        )
    return Contestant(kind, kind, run_id, evaluation)


def reigning_champion(
    tracker: Tracker, model_name: str, contestants: Sequence[Contestant], loader: DataLoader, options: EvaluationConfig
) -> Contestant | None:
    """The registry's champion, judged now on the loader's test part, so that pairs of users match.

    Where it learned from other data or another split, its training ratings may hold what it would be judged on now,
    and what a user rated in training is never recommended: its artifact would lose to an identical model. Then its
    model is trained again on the loader's train part, with the hyperparameters it was registered with, for these
    figures only; version and artifact stay what they are.

    Args:
        tracker: Where the registry is.
        model_name: The registered model.
        contestants: Newly trained models; the champion may be one of them where a step is repeated.
        loader: The data that the candidates were trained on and judged by.
        options: How they were judged.

    Returns:
        The champion; None where the registry has none.

    Raises:
        ConfigError: It is a negative control, or of a model that nobody registered here.
        DataError: Its artifact is damaged.
        TrackingError: MLflow refused.
    """
    version = version_for(tracker, model_name, CHAMPION)
    if version is None:
        return None
    for one in contestants:
        if one.run_id == version.run_id:
            return one
    champion = _load_champion(tracker, version)
    refitted = not _learned_from(tracker, version, loader)
    judged = refit(champion, loader) if refitted else champion
    name = f"{champion.name} (version {version.version})"
    return Contestant(name, champion.name, version.run_id, judged.evaluate(loader, options), version, refitted)


def refit(recommender: RecommenderWrapper, loader: DataLoader) -> RecommenderWrapper:
    """Another recommender of the same model and hyperparameters, trained on the loader's train part.

    Raises:
        ConfigError: A hyperparameter does not fit the data.
        DataError: There is nothing to learn from.
    """
    return type(recommender)(recommender.config).prepare(loader)


def _load_champion(tracker: Tracker, version: ModelVersion) -> RecommenderWrapper:
    remedy = f"name the pair (MODELS=champion,challenger), or give the alias {CHAMPION} to another version"
    try:
        champion = as_recommender(load_wrapper(download(tracker, version.uri)))
    except UnknownName as error:
        raise ConfigError(
            f"the champion {version.uri} cannot be judged: {error}; install the package that registers it, or {remedy}"
        ) from error
    if champion.negative_control:
        raise ConfigError(
            f"the champion {version.uri} is a negative control ({champion.name}), which anything beats; {remedy}"
        )
    return champion


def _learned_from(tracker: Tracker, version: ModelVersion, loader: DataLoader) -> bool:
    """Whether the version's artifact learned from the loader's very train part; False where nothing tells."""
    if not version.run_id:
        return False
    run = read_run(tracker, version.run_id)
    # A planted twin holds the artifact of the run it was made from, and learned from that run's data.
    while MADE_FROM_RUN in run.params:
        run = read_run(tracker, run.params[MADE_FROM_RUN])
    now = run_params(loader.provenance())
    return all(run.params.get(name) == now[name] for name in ("data.sha256", "data.split"))


def load_contestant(tracker: Tracker, contestant: Contestant) -> RecommenderWrapper:
    """The trained model itself.

    Raises:
        DataError: Its artifact is damaged.
        TrackingError: MLflow refused.
    """
    if contestant.version is not None:
        return as_recommender(load_wrapper(download(tracker, contestant.version.uri)))
    return as_recommender(load_wrapper(model_folder(tracker, contestant.run_id)))


def as_recommender(loaded: object) -> RecommenderWrapper:
    """The same object, refused where it is no recommender."""
    if not isinstance(loaded, RecommenderWrapper):
        raise ConfigError(f"{type(loaded).__name__} is no recommender; only recommenders can be compared here")
    return loaded


def _check_same_users(one: Contestant, other: Contestant) -> None:
    if not np.array_equal(one.evaluation.user_ids, other.evaluation.user_ids):
        raise ConfigError(
            f"{one.name} (run {one.run_id}) and {other.name} (run {other.run_id}) were evaluated on different users; "
            "evaluate both on the same data and split"
        )
