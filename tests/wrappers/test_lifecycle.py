"""Train, evaluate and register on a real MLflow: what each step leaves behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.errors import ConfigError, TrackingError
from tests.small_interactions import MemoryLoader, grouped_loader, random_interactions
from tracking.client import Tracker, connect, database_uri
from tracking.registry import CHALLENGER, CHAMPION, download, list_versions, version_for
from tracking.runs import find_runs, read_arrays, read_run, read_text
from wrappers import lifecycle, pyfunc
from wrappers.artifact import load_wrapper
from wrappers.base import ModelWrapper
from wrappers.ease import Ease
from wrappers.lifecycle import Registration, evaluate_and_log, register_candidates, train_and_log
from wrappers.recommender import RecommenderWrapper
from wrappers.shuffled import Shuffled

K = 5
TRIO = ("popularity", "item_knn", "ease")

#: Registers the runs of the models named (or runs by id), with options of ``register_candidates``.
Register = Callable[..., Registration]


class Judged(NamedTuple):
    """An MLflow in which models were trained and evaluated, nothing registered; tests work on copies.

    Attributes:
        database: Its database; artifacts stay where they are.
        runs: Model to run_id.
    """

    database: Path
    runs: dict[str, str]


@pytest.fixture(scope="module")
def loader() -> MemoryLoader:
    return grouped_loader()


@pytest.fixture(scope="module")
def judged(empty_database: Path, loader: MemoryLoader, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("judged")
    shutil.copy(empty_database, folder / "mlflow.db")
    uri = database_uri(folder)
    runs = {name: train_and_log(name, loader, tracking_uri=uri) for name in (*TRIO, "shuffled")}
    for run_id in runs.values():
        evaluate_and_log(run_id, loader, k=K, tracking_uri=uri)
    return Judged(folder / "mlflow.db", runs)


@pytest.fixture
def judged_tracker(judged: Judged, tmp_path: Path) -> Tracker:
    """A copy with the judged runs, for one test to register in."""
    shutil.copy(judged.database, tmp_path / "mlflow.db")
    return connect(database_uri(tmp_path))


@pytest.fixture
def register(judged_tracker: Tracker, judged: Judged, loader: MemoryLoader) -> Register:
    def run(names: Sequence[str], **options: Any) -> Registration:
        runs = [judged.runs.get(name, name) for name in names]
        return register_candidates(runs, loader, k=K, tracking_uri=judged_tracker.uri, **options)

    return run


def test_a_trained_run_tells_where_it_came_from(tracker: Tracker, loader: MemoryLoader) -> None:
    run = read_run(tracker, train_and_log("ease", loader, {"reg": 50}, tracking_uri=tracker.uri))
    assert (run.name, run.status, run.tags["screentest.model"]) == ("ease", "FINISHED", "ease")
    assert run.tags["code.version"]
    data = {"data.source": "memory", "data.sha256": "00", "data.split": "given"}
    assert {"model": "ease", "model.reg": "50.0", **data}.items() <= run.params.items()
    assert run.metrics["train.users"] == 120
    assert run.metrics["train.ratings"] == len(loader.train())
    assert run.metrics["train.seconds"] > 0


def test_a_trained_run_holds_the_model(tracker: Tracker, loader: MemoryLoader) -> None:
    run_id = train_and_log("item_knn", loader, tracking_uri=tracker.uri)
    direct = ModelWrapper.load(f"runs:/{run_id}/model")
    import mlflow.pyfunc

    logged = mlflow.pyfunc.load_model(read_run(tracker, run_id).tags["screentest.model_uri"])
    asked = [{"user_id": 3, "k": 4, "exclude_items": [1, 2]}, {"user_id": 10**9, "k": 2, "exclude_items": [0]}]
    assert logged.predict(asked) == direct.predict(asked)
    assert logged.predict([{"user_id": 3}]) == direct.predict([{"user_id": 3}])
    inputs = {column.name: column.required for column in logged.metadata.signature.inputs}
    assert inputs == {"user_id": True, "k": False, "exclude_items": False, "explain": False}
    explained = [{"user_id": 3, "k": 2, "explain": "ko"}]
    assert logged.predict(explained) == direct.predict(explained)
    assert logged.metadata.get_model_info().saved_input_example_info is not None
    assert logged.metadata.flavors["python_function"]["loader_module"] == pyfunc.LOADER_MODULE


def test_a_registered_model_loads_by_version_and_alias(judged_tracker: Tracker, register: Register) -> None:
    register(TRIO, pair="popularity,ease")
    assert ModelWrapper.load("models:/recommender/2").name == "item_knn"
    assert Ease.load("models:/recommender@challenger").name == "ease"
    with pytest.raises(ConfigError, match="holds the model 'popularity', not Ease"):
        Ease.load("models:/recommender@champion")
    with pytest.raises(TrackingError, match=r"has no version '99'; its newest are: .*1"):
        ModelWrapper.load("models:/recommender/99")
    with pytest.raises(TrackingError, match="has no alias 'PolicyA'"):
        ModelWrapper.load("models:/recommender@PolicyA")
    with pytest.raises(ConfigError, match="must be runs:/RUN_ID/model"):
        ModelWrapper.load("runs:/")


def test_an_address_in_mlflow_needs_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        ModelWrapper.load("models:/recommender/1")


def test_a_bad_hyperparameter_leaves_no_run(tracker: Tracker, loader: MemoryLoader) -> None:
    with pytest.raises(ConfigError, match="ease: reg == -1"):
        train_and_log("ease", loader, {"reg": -1}, tracking_uri=tracker.uri)
    assert find_runs(tracker, {}) == []


def test_a_failing_training_is_marked(tracker: Tracker, loader: MemoryLoader) -> None:
    with pytest.raises(ConfigError, match="max_memory_gb"):
        train_and_log("ease", loader, {"max_memory_gb": 1e-9}, tracking_uri=tracker.uri)
    assert [run.status for run in find_runs(tracker, {})] == ["FAILED"]


def test_an_evaluation_is_kept_with_the_run(tracker: Tracker, loader: MemoryLoader) -> None:
    run_id = train_and_log("ease", loader, tracking_uri=tracker.uri)
    evaluated = evaluate_and_log(run_id, loader, k=K, tracking_uri=tracker.uri)
    run = read_run(tracker, run_id)
    assert run.status == "FINISHED"
    assert evaluated.means.items() <= run.metrics.items()
    of_lists = ("diversity", "novelty", "serendipity", "arp", "popularity_lift", "gini")
    assert set(evaluated.means) == {
        *(f"{name}_at_5" for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage", *of_lists)),
        "auc",
        "average_precision",
    }
    arrays = read_arrays(tracker, run_id)
    np.testing.assert_array_equal(arrays["user_id"], np.arange(120))
    assert arrays["ndcg"].mean() == evaluated.means["ndcg_at_5"]
    assert read_text(tracker, run_id, "evaluation/report.html") == evaluated.html
    figures = json.loads(read_text(tracker, run_id, "evaluation/figures.json"))
    assert figures["ndcg_at_5_ci_lower"] < figures["ndcg_at_5"] < figures["ndcg_at_5_ci_upper"]
    assert figures["auc_ci_lower"] < figures["auc"] < figures["auc_ci_upper"]
    assert read_text(tracker, run_id, "evaluation/figures.csv").startswith("ndcg_at_5,ndcg_at_5_ci_lower")
    segments = json.loads(read_text(tracker, run_id, "evaluation/segments.json"))
    assert {row["kind"] for row in segments} == {"users", "items", "genre"}
    assert read_text(tracker, run_id, "evaluation/segments.csv").count("\n") == 1 + len(segments)


def test_the_gate_names_the_first_challenger(judged_tracker: Tracker, judged: Judged, register: Register) -> None:
    done = register(TRIO)
    assert [version.run_id for version in done.versions] == [judged.runs[name] for name in TRIO]
    assert done.champion_uri == "models:/recommender/1"
    assert done.champion.model == "popularity"
    assert done.challenger is not None
    assert done.challenger.model == done.selection.verdict.winner
    assert done.challenger.model in {"ease", "item_knn"}
    assert version_for(judged_tracker, "recommender", CHAMPION) == done.champion
    assert version_for(judged_tracker, "recommender", CHALLENGER) == done.challenger
    assert float(done.versions[2].tags["ndcg_at_5"]) > float(done.versions[0].tags["ndcg_at_5"])


def test_the_leaderboard_is_kept(judged_tracker: Tracker, register: Register) -> None:
    done = register(TRIO)
    board = next(run for run in find_runs(judged_tracker, {}) if run.name == "registration")
    assert board.status == "FINISHED"
    assert read_text(judged_tracker, board.run_id, "leaderboard.html") == done.html
    document = json.loads(read_text(judged_tracker, board.run_id, "leaderboard.json"))
    assert {row["name"]: row["version"] for row in document["models"]} == dict(zip(TRIO, "123", strict=True))
    figures = [row["ndcg_at_5"] for row in document["models"]]
    assert figures == sorted(figures, reverse=True)
    assert document["candidates"]["ease"]["passes"] is True
    pairs = {(row["candidate"], row["baseline"]): row for row in document["pairs"]}
    assert len(pairs) == 3
    first = pairs["popularity", "ease"]
    assert first["effect_size"] < first["ci_upper"] < 0
    assert 0 < first["pvalue"] < first["pvalue_holm"] < 0.05
    assert {row["name"] for row in document["segments"]} == set(TRIO)
    assert read_text(judged_tracker, board.run_id, "leaderboard.csv").count("\n") == 4


def test_nobody_passes_a_threshold_too_high(judged_tracker: Tracker, register: Register) -> None:
    register(TRIO)
    done = register(TRIO, threshold=1.1)
    assert done.challenger is None
    assert done.challenger_uri == ""
    assert version_for(judged_tracker, "recommender", CHALLENGER) is None
    assert len(list_versions(judged_tracker, "recommender")) == 3, "a repeated step makes no further versions"


def test_without_any_champion_it_says_what_to_do(judged_tracker: Tracker, register: Register) -> None:
    with pytest.raises(ConfigError, match=r"no champion yet and popularity was not trained.*name the pair"):
        register(["ease", "item_knn"])
    assert list_versions(judged_tracker, "recommender") == []


def test_a_named_pair_is_set_whatever_the_gate_says(register: Register) -> None:
    done = register(["popularity", "ease"], pair="ease, popularity")
    assert (done.champion.model, done.challenger and done.challenger.model) == ("ease", "popularity")
    assert done.selection.verdict.winner is None
    assert "the pair ease, popularity was named; the gate said: no candidate passes" in done.selection.reason
    with pytest.raises(ConfigError, match="model 'als' was not trained; trained: popularity, ease"):
        register(["popularity", "ease"], pair="als,ease")


def test_a_champion_from_before_is_judged_now(register: Register) -> None:
    first = register(["ease", "popularity"], pair="ease,popularity")
    done = register(["popularity", "item_knn"])
    assert done.champion == first.champion
    assert done.selection.champion.name == "ease (version 1)"
    assert done.selection.champion.evaluation.means == first.selection.champion.evaluation.means
    assert {one.name for one in done.selection.verdict.candidates} == {"popularity", "item_knn"}
    assert [version.version for version in done.versions] == ["2", "3", "1"]


@pytest.mark.parametrize("plant", ["aa", "uplift", "damage"])
def test_a_planted_twin_is_the_champions_own_artifact(judged_tracker: Tracker, register: Register, plant: str) -> None:
    done = register(["popularity", "ease"], pair="ease,popularity", plant=plant)
    assert done.challenger is not None
    assert done.challenger.uri == "models:/recommender/3"
    folders = [download(judged_tracker, version.uri) for version in (done.champion, done.challenger)]
    here, there = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert here == there
    assert read_run(judged_tracker, done.challenger.run_id).params["plant"] == plant


def test_a_planted_shuffle_plays_against_ease(judged_tracker: Tracker, register: Register) -> None:
    done = register(TRIO, plant="shuffle", seed=9)
    assert done.champion.model == "ease"
    assert done.challenger is not None
    shuffled = load_wrapper(download(judged_tracker, done.challenger.uri))
    assert isinstance(shuffled, Shuffled)
    assert shuffled.config.seed == 9
    champion = load_wrapper(download(judged_tracker, done.champion.uri))
    assert isinstance(champion, RecommenderWrapper)
    for name, array in champion.state().items():
        np.testing.assert_array_equal(array, shuffled.state()[name])
    with pytest.raises(ConfigError, match="model 'ease' was not trained"):
        register(["popularity", "item_knn"], plant="shuffle")


def test_a_negative_control_is_never_chosen(register: Register) -> None:
    done = register(["popularity", "shuffled"], threshold=0.0)
    assert done.challenger is None
    assert done.selection.verdict.candidates == ()


def test_unknown_options_leave_nothing_behind(judged_tracker: Tracker, register: Register) -> None:
    before = len(find_runs(judged_tracker, {}))
    for options, problem in (
        ({"metric": "auc"}, "gate_metric == 'auc', must be one of ndcg, recall"),
        ({"plant": "bug"}, "plant == 'bug', must be one of none, aa"),
        ({"pair": "ease"}, "pair == 'ease', must name two different models"),
        ({"pair": "ease,ease"}, "must name two different models"),
    ):
        with pytest.raises(ConfigError, match=problem):
            register(TRIO, **options)
    with pytest.raises(ConfigError, match="no run was given"):
        register([])
    assert len(find_runs(judged_tracker, {})) == before
    assert list_versions(judged_tracker, "recommender") == []


def test_runs_judged_otherwise_are_refused(
    judged_tracker: Tracker, judged: Judged, loader: MemoryLoader, register: Register
) -> None:
    uri = judged_tracker.uri
    with pytest.raises(ConfigError, match=r"was evaluated with k=5 .*must be k=7 .*evaluate it again"):
        register_candidates([judged.runs["ease"]], loader, k=7, tracking_uri=uri)
    other = MemoryLoader(random_interactions(), random_interactions(seed=1))
    stranger = train_and_log("popularity", other, tracking_uri=uri)
    with pytest.raises(TrackingError, match=r"evaluation/per_user\.npz"):
        register([stranger])
    evaluate_and_log(stranger, other, k=K, tracking_uri=uri)
    with pytest.raises(ConfigError, match="evaluated on different users"):
        register(["ease", stranger])


def test_two_runs_of_one_model_are_told_apart(
    judged_tracker: Tracker, judged: Judged, loader: MemoryLoader, register: Register
) -> None:
    again = train_and_log("ease", loader, {"reg": 1000}, tracking_uri=judged_tracker.uri)
    evaluate_and_log(again, loader, k=K, tracking_uri=judged_tracker.uri)
    done = register(["popularity", "ease", again])
    assert {one.name for one in done.selection.verdict.candidates} == {
        f"ease {run_id[:8]}" for run_id in (judged.runs["ease"], again)
    }
    with pytest.raises(ConfigError, match="model 'ease' was trained 2 times; trained: popularity, ease "):
        register(["popularity", "ease", again], pair="popularity,ease")


def test_a_registration_that_fails_leaves_the_registry_as_it_was(
    judged_tracker: Tracker, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(["popularity"])

    def refuse(*_: Any, **__: Any) -> None:
        raise TrackingError("the disk is full")

    monkeypatch.setattr(lifecycle, "register_all", refuse)
    with pytest.raises(TrackingError, match="the disk is full"):
        register(TRIO)
    assert list_versions(judged_tracker, "recommender") == [first.champion]
    newest = next(run for run in find_runs(judged_tracker, {}) if run.name == "registration")
    assert newest.status == "FAILED"
