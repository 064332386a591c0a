"""Challenger against champion user by user, from what their runs keep on a real MLflow."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.paired import paired_bootstrap
from evaluation.ranking import METRICS
from tests.judged_runs import NEW, OLD, K, SplitLoader, run_of
from tracking.client import Tracker
from tracking.registry import ModelVersion
from tracking.runs import log_arrays, new_run
from wrappers.lifecycle import evaluate_and_log, register_candidates
from wrappers.offline_pair import judged_on, offline_pair


def data_of(loader: SplitLoader) -> dict[str, str]:
    return {"data.sha256": "00", "data.split": loader.provenance().split}


def version(run_id: str, model: str = "ease", number: str = "1") -> ModelVersion:
    return ModelVersion("recommender", number, run_id, model)


def test_every_metric_is_compared_on_the_same_users(tracker: Tracker) -> None:
    runs = {name: run_of(name, OLD, tracker) for name in ("popularity", "ease")}
    champion, challenger = version(runs["popularity"], "popularity"), version(runs["ease"], number="2")
    found = offline_pair(tracker, champion, challenger, data_of(OLD))

    assert found.missing is None
    assert [row.metric for row in found.differences] == [f"{name}@{K}" for name in (*METRICS, "coverage")]
    before, after = (judged_on(tracker, one, data_of(OLD)).evaluation for one in (champion, challenger))
    assert before is not None
    assert after is not None
    expected = paired_bootstrap(
        after.per_user["ndcg"], before.per_user["ndcg"], alpha=0.05 / 6, n_resamples=4800, seed=0
    )
    ndcg = found.differences[0]
    assert (ndcg.effect_size, ndcg.ci_lower, ndcg.ci_upper, ndcg.n_users) == (*expected[:3], expected.n_users)
    assert ndcg.champion == pytest.approx(before.means[f"ndcg_at_{K}"])
    assert ndcg.challenger - ndcg.champion == pytest.approx(ndcg.effect_size)
    coverage = found.differences[-1]
    assert coverage.effect_size == after.coverage - before.coverage
    assert np.isnan(coverage.ci_lower)
    assert str(offline_pair(tracker, champion, challenger, data_of(OLD))) == str(found), "NaN included"
    strict = offline_pair(tracker, champion, challenger, data_of(OLD), alpha=0.001).differences[0]
    assert strict.ci_lower < ndcg.ci_lower, "a small alpha takes more resamples"


def test_a_model_against_itself_differs_for_nobody(tracker: Tracker) -> None:
    run_id = run_of("popularity", OLD, tracker)
    found = offline_pair(tracker, version(run_id), version(run_id, number="2"), data_of(OLD))
    assert {row.effect_size for row in found.differences} == {0.0}
    assert all(np.isnan(row.ci_lower) for row in found.differences)


def test_what_has_no_figures_is_named(tracker: Tracker) -> None:
    judged = version(run_of("ease", OLD, tracker), number="2")
    for champion in (version("", "ancient"), version("0" * 32, "ancient"), version(_run_without(tracker), "ancient")):
        found = offline_pair(tracker, champion, judged, {})
        assert (found.differences, found.missing, found.missing_of) == ((), "no_figures", "ancient v1")


def _run_without(tracker: Tracker, **arrays: int) -> str:
    with new_run(tracker, "ancient") as run_id:
        log_arrays(tracker, run_id, {name: np.array(value) for name, value in {"user_id": [1], **arrays}.items()})
    return run_id


def test_figures_of_other_data_or_other_lists_are_not_compared(tracker: Tracker) -> None:
    one, two = (version(run_of("popularity", loader, tracker), number=str(n)) for n, loader in ((1, OLD), (2, NEW)))
    found = offline_pair(tracker, one, two, data_of(OLD))
    assert (found.missing, found.missing_of) == ("other_data", "ease v2")
    evaluate_and_log(two.run_id, NEW, k=K + 1, tracking_uri=tracker.uri)
    longer = offline_pair(tracker, version(run_of("ease", NEW, tracker)), two, data_of(NEW))
    assert (longer.missing, longer.missing_of) == ("judged_otherwise", "ease v2")


@pytest.mark.long
def test_a_champion_from_before_is_compared_with_todays_figures(tracker: Tracker) -> None:
    runs = [run_of("ease", OLD, tracker), run_of("popularity", OLD, tracker)]
    register_candidates(runs, OLD, k=K, pair="ease,popularity", tracking_uri=tracker.uri)
    done = register_candidates([run_of("item_knn", NEW, tracker)], NEW, k=K, tracking_uri=tracker.uri)
    assert done.selection.champion.refitted
    challenger = next(one for one in done.versions if one.model == "item_knn")
    found = offline_pair(tracker, done.champion, challenger, data_of(NEW))
    assert found.missing is None
    assert found.differences[0].champion == pytest.approx(done.selection.champion.evaluation.means[f"ndcg_at_{K}"])
