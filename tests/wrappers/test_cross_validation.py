"""Cross-validation: folds, figures, and the run that keeps them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import ConfigError, UnknownName
from evaluation.fold_report import folds_html
from evaluation.folds import kfold_per_user
from tests.page_outline import PageOutline
from tests.small_interactions import MemoryLoader, grouped_loader
from tracking.client import Tracker
from tracking.runs import find_runs, read_text
from wrappers.base import EvaluationConfig
from wrappers.cross_validation import CrossValidation, cross_validate, cross_validate_and_log
from wrappers.ease import Ease
from wrappers.offline import evaluate_recommender

N_FOLDS, OPTIONS = 3, EvaluationConfig(k=5)
MODELS: dict[str, dict[str, float]] = {"popularity": {}, "ease": {"reg": 20.0}}


@pytest.fixture(scope="module")
def loader() -> MemoryLoader:
    return grouped_loader()


@pytest.fixture(scope="module")
def found(loader: MemoryLoader) -> CrossValidation:
    return cross_validate(MODELS, loader.load(), n_folds=N_FOLDS, seed=1, options=OPTIONS)


def test_each_fold_is_judged_by_a_model_that_has_not_seen_it(loader: MemoryLoader, found: CrossValidation) -> None:
    everything = loader.load()
    for fold, split in zip(found.folds["ease"], kfold_per_user(everything.ratings["user_id"], N_FOLDS, 1), strict=True):
        alone = Ease({"reg": 20.0}).fit(everything.take(split.train))
        expected = evaluate_recommender(alone, everything.take(split.test), OPTIONS)
        np.testing.assert_array_equal(fold.per_user["ndcg"], expected.per_user["ndcg"])


def test_figures_by_fold(found: CrossValidation) -> None:
    ndcg = found.figures("ndcg_at_5")
    assert {name: values.shape for name, values in ndcg.items()} == {"popularity": (N_FOLDS,), "ease": (N_FOLDS,)}
    assert (ndcg["ease"] > ndcg["popularity"]).all()
    assert len(set(ndcg["ease"])) == N_FOLDS
    assert {"auc", "diversity_at_5", "coverage_at_5"} <= set(found.metrics)
    rows = found.rows()
    assert [(row["model"], row["fold"]) for row in rows] == [(name, fold) for name in MODELS for fold in range(N_FOLDS)]


def test_it_is_kept_with_its_page(loader: MemoryLoader, found: CrossValidation, tracker: Tracker) -> None:
    again, html = cross_validate_and_log(
        MODELS, loader, tracking_uri=tracker.uri, n_folds=N_FOLDS, seed=1, options=OPTIONS
    )
    assert again.rows() == found.rows()
    [run] = [run for run in find_runs(tracker, {}) if run.name == "cross-validation"]
    values = found.figures("ndcg_at_5")["ease"]
    assert run.metrics["ease.ndcg_at_5"] == pytest.approx(values.mean())
    assert run.metrics["ease.ndcg_at_5_sd"] == pytest.approx(values.std(ddof=1))
    assert json.loads(read_text(tracker, run.run_id, "folds/folds.json")) == found.rows()
    assert read_text(tracker, run.run_id, "folds/folds.csv").count("\n") == 1 + 2 * N_FOLDS
    assert read_text(tracker, run.run_id, "folds/report.html") == html
    page = PageOutline(html)
    assert page.text.index("ease") < page.text.index("popularity")
    assert f"median {np.median(values):.3f} of {N_FOLDS}" in page.text


def test_a_figure_that_one_model_lacks() -> None:
    figures = {
        "ndcg_at_5": {"<b>a</b>": np.array([0.1, 0.3]), "b": np.array([np.nan, np.nan])},
        "ece": {"<b>a</b>": np.array([0.2, 0.2]), "b": np.array([np.nan, 0.1])},
    }
    html = folds_html(figures, primary="ndcg_at_5", n_folds=2)
    assert "<b>a" not in html
    assert "0.2000" in html
    assert "nan" not in html
    with pytest.raises(ValueError, match="primary == 'auc'"):
        folds_html(figures, primary="auc", n_folds=2)


def test_what_cannot_be_done_is_refused_before_any_training(loader: MemoryLoader) -> None:
    everything = loader.load()
    with pytest.raises(ConfigError, match="0 models and n_folds == 5"):
        cross_validate({}, everything)
    with pytest.raises(ConfigError, match="n_folds == 1"):
        cross_validate({"ease": {}}, everything, n_folds=1)
    with pytest.raises(UnknownName, match="eased"):
        cross_validate({"ease": {}, "eased": {}}, everything)
    with pytest.raises(ConfigError, match="ease: reg == -1"):
        cross_validate({"ease": {"reg": -1}}, everything)
    with pytest.raises(ConfigError, match="metric == 'auc', must be one of ndcg"):
        cross_validate_and_log({"ease": {}}, loader, tracking_uri="sqlite:///never.db", metric="auc")
