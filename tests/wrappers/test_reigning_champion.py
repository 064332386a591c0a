"""A champion from another split is judged as fairly as those who challenge it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import ConfigError
from tests.judged_runs import NEW, OLD, K, run_of
from tracking.client import Tracker
from tracking.registry import CHAMPION, download, set_alias, version_for
from tracking.runs import find_runs, read_run, read_text
from wrappers import registry
from wrappers.base import EvaluationConfig
from wrappers.contestants import reigning_champion
from wrappers.lifecycle import Registration, evaluate_and_log, register_candidates

REIGNING = {"reg": 250.0}


@pytest.fixture
def crowned(tracker: Tracker) -> Registration:
    """EASE became champion on the old split."""
    runs = [run_of("ease", OLD, tracker, REIGNING), run_of("popularity", OLD, tracker)]
    return register_candidates(runs, OLD, k=K, pair="ease,popularity", tracking_uri=tracker.uri)


def test_an_identical_model_on_another_split_is_no_better(tracker: Tracker, crowned: Registration) -> None:
    before = {path.name: path.read_bytes() for path in download(tracker, crowned.champion_uri).iterdir()}
    done = register_candidates([run_of("ease", NEW, tracker, REIGNING)], NEW, k=K, tracking_uri=tracker.uri)
    assert done.selection.verdict.winner is None
    assert done.challenger is None
    (newcomer,) = (version for version in done.versions if version != done.champion)
    fresh = read_run(tracker, newcomer.run_id).metrics["ndcg_at_5"]
    assert done.selection.champion.evaluation.means["ndcg_at_5"] == pytest.approx(fresh, abs=1e-12)
    assert done.champion.version == crowned.champion.version
    assert {path.name: path.read_bytes() for path in download(tracker, done.champion_uri).iterdir()} == before


def test_the_refit_is_told(tracker: Tracker, crowned: Registration) -> None:
    done = register_candidates([run_of("item_knn", NEW, tracker)], NEW, k=K, tracking_uri=tracker.uri)
    told = "ease (version 1) learned from other data or another split, so its figures are of the same model"
    assert told in done.selection.reason
    assert told in done.html
    board = next(run for run in find_runs(tracker, {}) if run.name == "registration")
    document = json.loads(read_text(tracker, board.run_id, "leaderboard.json"))
    assert {row["model"]: row["refitted"] for row in document["models"]} == {"ease": True, "item_knn": False}


def test_on_its_own_split_the_artifact_itself_is_judged(tracker: Tracker, crowned: Registration) -> None:
    found = reigning_champion(tracker, "recommender", [], OLD, EvaluationConfig(k=K))
    assert found is not None
    assert not found.refitted
    assert found.evaluation.means == crowned.selection.champion.evaluation.means


def test_a_planted_twin_is_judged_like_its_champion(tracker: Tracker, crowned: Registration) -> None:
    run_id = run_of("popularity", NEW, tracker)
    done = register_candidates([run_id], NEW, k=K, plant="aa", tracking_uri=tracker.uri)
    assert done.challenger is not None
    assert done.selection.challenger is not None
    for metric, values in done.selection.champion.evaluation.per_user.items():
        np.testing.assert_array_equal(done.selection.challenger.evaluation.per_user[metric], values)
    # Made on the new split, but its artifact is the old one's.
    set_alias(tracker, "recommender", CHAMPION, done.challenger.version)
    assert version_for(tracker, "recommender", CHAMPION) is not None
    found = reigning_champion(tracker, "recommender", [], NEW, EvaluationConfig(k=K))
    assert found is not None
    assert found.refitted


def test_a_negative_control_cannot_reign(tracker: Tracker) -> None:
    runs = [run_of(name, OLD, tracker) for name in ("shuffled", "popularity")]
    register_candidates(runs, OLD, k=K, pair="shuffled,popularity", tracking_uri=tracker.uri)
    other = run_of("item_knn", NEW, tracker)
    with pytest.raises(ConfigError, match=r"models:/recommender/1 is a negative control \(shuffled\).*name the pair"):
        register_candidates([other], NEW, k=K, tracking_uri=tracker.uri)
    again = [other, run_of("popularity", NEW, tracker)]
    done = register_candidates(again, NEW, k=K, pair="popularity,item_knn", tracking_uri=tracker.uri)
    assert done.champion.model == "popularity", "a named pair does not ask who reigns"


def test_a_champion_whose_package_is_gone(
    tracker: Tracker, crowned: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = run_of("popularity", NEW, tracker)
    monkeypatch.delitem(registry.MODELS, "ease")
    with pytest.raises(ConfigError, match=r"models:/recommender/1 cannot be judged: unknown model 'ease'.*install"):
        register_candidates([other], NEW, k=K, tracking_uri=tracker.uri)


def test_a_registration_tells_where_it_came_from(tracker: Tracker, crowned: Registration) -> None:
    board = next(run for run in find_runs(tracker, {}) if run.name == "registration")
    expected = {
        "data.source": "memory",
        "data.layout": "test",
        "data.sha256": "00",
        "data.split": "random_per_user(test_fraction=0.2, seed=1)",
        "data.seed": "",
        "k": "5",
        "relevant_rating": "4.0",
        "metric": "ndcg",
        "seed": "0",
    }
    assert {name: board.params.get(name) for name in expected} == expected


def test_an_evaluated_run_tells_how(tracker: Tracker) -> None:
    run_id = run_of("popularity", OLD, tracker)
    first = {"evaluation.k": "5", "evaluation.relevant_rating": "4.0"}
    evaluate_and_log(run_id, OLD, k=K, tracking_uri=tracker.uri)
    assert first.items() <= read_run(tracker, run_id).params.items()
    evaluate_and_log(run_id, OLD, k=7, tracking_uri=tracker.uri)
    run = read_run(tracker, run_id)
    assert (run.status, run.params["evaluation.k"], run.tags["evaluation.k"]) == ("FINISHED", "5", "7")
