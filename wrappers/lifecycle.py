"""A model's life up to the rollout: trained, evaluated, registered. Each pipeline step calls one function here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.progress import report
from core.protocols import DataLoader
from tracking.client import Tracker, connect
from tracking.models import model_folder
from tracking.provenance import run_params
from tracking.registry import CHALLENGER, CHAMPION, MODEL_KIND, Candidate, ModelVersion, drop_alias, register_all
from tracking.runs import log_metrics, log_text, new_run, resumed_run
from wrappers.artifact import load_wrapper
from wrappers.base import EvaluationConfig
from wrappers.contestants import Contestant, as_recommender, reigning_champion, trained_contestants
from wrappers.judgement import Evaluated, facts, judge
from wrappers.leaderboard import Leaderboard
from wrappers.offline import metric_name
from wrappers.planting import plant_challenger
from wrappers.pyfunc import log_wrapper
from wrappers.registry import model
from wrappers.rejudged import keep_rejudged
from wrappers.router_registration import register_router
from wrappers.selection import Rule, Selection, select
from wrappers.tables import as_csv, as_json


@dataclass(frozen=True)
class Registration:
    """What ``register_candidates`` did.

    Attributes:
        champion: Its version.
        challenger: Its version; None where no candidate passed.
        versions: Of every contestant in the leaderboard.
        selection: Why these two.
        html: The leaderboard.
    """

    champion: ModelVersion
    challenger: ModelVersion | None
    versions: tuple[ModelVersion, ...]
    selection: Selection
    html: str

    @classmethod
    def of(cls, selection: Selection, versions: Mapping[str, ModelVersion], html: str) -> Registration:
        """What came of a choice, with the version of each run in it."""
        return cls(
            champion=versions[selection.champion.run_id],
            challenger=None if selection.challenger is None else versions[selection.challenger.run_id],
            versions=tuple(versions.values()),
            selection=selection,
            html=html,
        )

    @property
    def champion_uri(self) -> str:
        """Pinned: ``models:/recommender/1``."""
        return self.champion.uri

    @property
    def challenger_uri(self) -> str:
        """Pinned; empty where no candidate passed."""
        return "" if self.challenger is None else self.challenger.uri


def train_and_log(
    name: str,
    loader: DataLoader,
    config: Mapping[str, Any] | None = None,
    *,
    tracking_uri: str,
    experiment: str = "screentest",
    artifact_root: str = "",
) -> str:
    """Train a model as one MLflow run that keeps its artifact, hyperparameters and provenance.

    Args:
        name: Registered name of the model.
        loader: The data; the model sees its train part.
        config: Hyperparameters; None or empty takes the defaults.
        tracking_uri: MLflow's address.
        experiment: Where the run goes.
        artifact_root: Where the artifacts of an experiment that does not exist yet go; empty: MLflow's own place.

    Returns:
        The run's id.

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: A hyperparameter is unknown or not allowed; no run is made then.
        DataError: The data cannot be used.
        TrackingError: MLflow cannot be reached or refused.
    """
    recommender = as_recommender(model(name)(config))
    tracker = connect(tracking_uri, experiment=experiment, artifact_root=artifact_root)
    hyperparameters = recommender.config.model_dump(mode="json")
    params = {
        "model": name,
        **{f"model.{option}": value for option, value in hyperparameters.items()},
        **run_params(loader.provenance(), seed=hyperparameters.get("seed")),
    }
    with new_run(tracker, name, params=params, tags={MODEL_KIND: name}) as run_id:
        began = time.perf_counter()
        recommender.prepare(loader)
        known = recommender.known
        figures = {"users": len(known.users), "items": len(known.items), "ratings": known.history.nnz}
        seconds = time.perf_counter() - began
        log_metrics(tracker, run_id, {"train.seconds": seconds, **{f"train.{k}": v for k, v in figures.items()}})
        log_wrapper(tracker, run_id, recommender)
    report("train", 1, 1, f"{name}: {known.history.nnz:,} ratings learned in {seconds:.1f} s")
    return run_id


def evaluate_and_log(
    run_id: str,
    loader: DataLoader,
    *,
    k: int = 10,
    relevant_rating: float = 4.0,
    tracking_uri: str,
    experiment: str = "screentest",
) -> Evaluated:
    """Judge the model that a run trained on the loader's test part, and add the figures to the run.

    What it receives is told by :func:`wrappers.judgement.judge`. A failing evaluation marks the run FAILED.

    Args:
        run_id: What ``train_and_log`` returned.
        loader: The data that the model was trained on.
        k: Length of a recommended list, 1 … 1000.
        relevant_rating: A held-out rating of at least this is relevant.
        tracking_uri: MLflow's address.
        experiment: Where the run is.

    Raises:
        ConfigError: k is not allowed.
        DataError: No held-out rating is relevant, or the artifact is damaged.
        TrackingError: MLflow cannot be reached, or has no such run or model.
    """
    options = EvaluationConfig.parse({"k": k, "relevant_rating": relevant_rating}, of="evaluation")
    tracker = connect(tracking_uri, experiment=experiment)
    recommender = as_recommender(load_wrapper(model_folder(tracker, run_id)))
    with resumed_run(tracker, run_id):
        evaluated = judge(tracker, run_id, recommender, loader, options)
    ndcg, n_users = evaluated.means[metric_name("ndcg", k)], evaluated.evaluation.n_users
    report("evaluate", 1, 1, f"{recommender.name}: NDCG@{k} {ndcg:.4f} over {n_users:,} users")
    return evaluated


def register_candidates(
    run_ids: Sequence[str],
    loader: DataLoader,
    *,
    tracking_uri: str,
    pair: str = "",
    plant: str = "none",
    metric: str = "ndcg",
    threshold: float = 0.01,
    k: int = 10,
    relevant_rating: float = 4.0,
    seed: int = 0,
    model_name: str = "recommender",
    experiment: str = "screentest",
) -> Registration:
    """Make every trained model a version and set the aliases ``champion`` and ``challenger``; all of it or nothing.

    Who gets them is decided by :func:`wrappers.selection.select`. With ``plant``, the challenger is made for the
    occasion by :func:`wrappers.planting.plant_challenger`, and the gate's result is reported only. Where there is no
    challenger, the alias is taken from whoever had it. A model that has an alias of its own (``ModelWrapper.alias``)
    gets it too, the best of its runs by the metric. The leaderboard is kept in a run named ``registration``.

    Where PolicyA and PolicyB both exist then, their router is made, in a transaction of its own
    (:func:`wrappers.router_registration.register_router`): should it fail, repeating the step makes it.

    Args:
        run_ids: Runs that were trained and evaluated.
        loader: Their data; a champion from before is judged on its test part now, trained again on its train part
            where it learned from another (:func:`wrappers.contestants.reigning_champion`).
        tracking_uri: MLflow's address.
        pair: ``a,b`` makes a champion and b challenger; empty: the gate decides.
        plant: none, aa, uplift, damage or shuffle.
        metric: What the gate judges: ndcg, recall, precision, map, mrr or hit_rate, at k.
        threshold: Mean that a challenger must reach.
        k: How the runs were evaluated.
        relevant_rating: How the runs were evaluated.
        seed: Of the paired bootstrap and of a planted shuffle.
        model_name: The registered model.
        experiment: Where the runs are.

    Raises:
        ConfigError: An option is not allowed, a model named was not trained, there is no champion to begin with, the
            champion cannot be judged, or the runs were evaluated otherwise.
        TrackingError: MLflow cannot be reached or refused; the registry is as it was.
    """
    rule = Rule(metric=metric, threshold=threshold, pair=pair, plant=plant, seed=seed)
    options = EvaluationConfig.parse({"k": k, "relevant_rating": relevant_rating}, of="evaluation")
    tracker = connect(tracking_uri, experiment=experiment)
    contestants = trained_contestants(tracker, run_ids, options)
    reigning = reigning_champion(tracker, model_name, contestants, loader, options) if rule.keeps_champion else None
    selection = select(contestants, reigning, rule)
    provenance = loader.provenance()
    params = {**asdict(rule), **options.model_dump(), **run_params(provenance, seed=seed)}
    with new_run(tracker, "registration", params=params) as registration_run:
        selection = plant_challenger(tracker, selection, rule, loader, options)
        everyone = _distinct([*contestants, selection.champion, selection.challenger])
        versions = _register(tracker, model_name, everyone, selection, rule.metric)
        board = Leaderboard(everyone, selection, rule.metric, versions)
        html = _keep_leaderboard(tracker, registration_run, board, facts(provenance, options))
        if selection.champion.refitted:
            keep_rejudged(tracker, registration_run, selection.champion)
    register_router(tracker, model_name)
    report("register", 1, 1, selection.reason)
    return Registration.of(selection, versions, html)


def _keep_leaderboard(tracker: Tracker, run_id: str, board: Leaderboard, told: Mapping[str, str]) -> str:
    """Log the board to a run for people and for programs; the page for people."""
    html = board.page(told)
    log_text(tracker, run_id, html, "leaderboard.html")
    log_text(tracker, run_id, as_csv(board.rows()), "leaderboard.csv")
    log_text(tracker, run_id, as_json(board.document()), "leaderboard.json")
    return html


def _distinct(contestants: Sequence[Contestant | None]) -> list[Contestant]:
    """Each once, in the order given."""
    return list({one.run_id: one for one in contestants if one is not None}.values())


def _register(
    tracker: Tracker, model_name: str, contestants: Sequence[Contestant], selection: Selection, metric: str
) -> dict[str, ModelVersion]:
    """Versions and aliases in one transaction; run_id to version."""
    candidates = [
        Candidate(one.run_id, one.model, {name: f"{mean:.6f}" for name, mean in one.evaluation.means.items()})
        for one in contestants
    ]
    aliases = {**_own_aliases(contestants, metric), CHAMPION: selection.champion.run_id}
    if selection.challenger is not None:
        aliases[CHALLENGER] = selection.challenger.run_id
    made = register_all(tracker, model_name, candidates, aliases)
    if selection.challenger is None:
        # Whoever challenged before would otherwise seem to have passed this gate.
        drop_alias(tracker, model_name, CHALLENGER)
    return {one.run_id: version for one, version in zip(contestants, made, strict=True)}


def _own_aliases(contestants: Sequence[Contestant], metric: str) -> dict[str, str]:
    """The alias that a model has of its own, e.g. ``PolicyA``, to the best of its new runs by the gate's metric."""
    found: dict[str, Contestant] = {}
    for one in contestants:
        alias = model(one.model).alias
        best = found.get(alias)
        if alias and one.version is None and (best is None or _mean(one, metric) > _mean(best, metric)):
            found[alias] = one
    return {alias: one.run_id for alias, one in found.items()}


def _mean(contestant: Contestant, metric: str) -> float:
    return contestant.evaluation.means[metric_name(metric, contestant.evaluation.config.k)]
