"""The report's leaderboard and its offline differences, from what the runs in a real MLflow keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.offline_evidence import evidence, leaderboard
from experiments.result import RolloutResult
from loaders.base import SplitRule
from loaders.prepared import write_prepared
from loaders.synthetic import SyntheticDataLoader
from serving.rollout_folder import RolloutRequest
from tests.judged_runs import run_of
from tests.rollout_examples import SPEC, promoted
from tracking.client import Tracker
from wrappers.base import EvaluationConfig
from wrappers.lifecycle import Registration, evaluate_and_log, register_candidates

K = 5
JUDGED = EvaluationConfig(k=K)


def world(seed: int) -> SyntheticDataLoader:
    """The same ratings each time, divided by a seed."""
    return SyntheticDataLoader(3, n_users=60, n_items=120, split=SplitRule("random_per_user", seed=seed))


@pytest.fixture
def registered(tracker: Tracker) -> Registration:
    runs = [run_of(name, world(0), tracker) for name in ("popularity", "ease", "item_knn")]
    return register_candidates(runs, world(0), k=K, pair="popularity,ease", tracking_uri=tracker.uri)


def result_of(registered: Registration) -> RolloutResult:
    assert registered.challenger is not None
    versions = {"control_version": registered.champion.version, "challenger_version": registered.challenger.version}
    return replace(promoted(), **versions)


def request_of(registered: Registration, tracker: Tracker, folder: Path, loader: SyntheticDataLoader) -> RolloutRequest:
    write_prepared(loader, folder / "prepared")
    spec = SPEC.document()
    spec["variants"] = {"champion": registered.champion_uri, "challenger": registered.challenger_uri}
    return RolloutRequest.build(
        spec=spec, run_dir=folder, dataset=folder / "prepared", tracking_uri=tracker.uri, experiment="screentest"
    )


def test_every_trained_model_is_there_best_first_with_its_role(
    tracker: Tracker, registered: Registration, tmp_path: Path
) -> None:
    request = request_of(registered, tracker, tmp_path, world(0))
    rows = leaderboard(tracker, request, result_of(registered), judged=JUDGED, metric="recall")

    assert {row.model.split()[0]: row.role for row in rows} == {
        "popularity": "champion",
        "ease": "challenger",
        "item_knn": "",
    }
    found = [row.metrics[f"recall@{K}"] for row in rows]
    assert found == sorted(found, reverse=True)
    pair = {row.role: row.metrics for row in rows}
    ndcg = evidence(tracker, request).differences[0]
    assert ndcg.effect_size == pytest.approx(pair["challenger"][f"ndcg@{K}"] - pair["champion"][f"ndcg@{K}"])


def test_figures_that_cannot_be_compared_are_left_out(
    tracker: Tracker, registered: Registration, tmp_path: Path
) -> None:
    request, result = request_of(registered, tracker, tmp_path, world(0)), result_of(registered)
    knn = next(version for version in registered.versions if version.model == "item_knn")
    evaluate_and_log(knn.run_id, world(0), k=K, relevant_rating=2.0, tracking_uri=tracker.uri)

    rows = leaderboard(tracker, request, result, judged=JUDGED, metric="ndcg")
    assert {row.role for row in rows} == {"champion", "challenger"}, "by another rating that counts as liked"
    lenient = leaderboard(tracker, request, result, judged=EvaluationConfig(k=K, relevant_rating=2), metric="ndcg")
    assert [row.model.split()[0] for row in lenient] == ["item_knn"]
    assert leaderboard(tracker, request, result, judged=EvaluationConfig(k=K + 1), metric="ndcg") == ()
    elsewhere = request_of(registered, tracker, tmp_path / "other", world(1))
    assert leaderboard(tracker, elsewhere, result, judged=JUDGED, metric="ndcg") == ()
    assert evidence(tracker, elsewhere).missing == "other_data"


def test_a_champion_from_before_is_there_with_todays_figures(
    tracker: Tracker, registered: Registration, tmp_path: Path
) -> None:
    today = register_candidates([run_of("ease", world(1), tracker)], world(1), k=K, pair="", tracking_uri=tracker.uri)
    champion = today.selection.champion
    assert champion.refitted
    rows = leaderboard(
        tracker,
        request_of(registered, tracker, tmp_path, world(1)),
        replace(result_of(registered), challenger_version=today.versions[0].version),
        judged=JUDGED,
        metric="ndcg",
    )
    old = next(row for row in rows if row.role == "champion")
    assert old.metrics[f"ndcg@{K}"] == pytest.approx(champion.evaluation.means[f"ndcg_at_{K}"])
    assert len(rows) == 2
