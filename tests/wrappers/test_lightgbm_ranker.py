"""The trees: LightGBM's own predictions, kept as its own text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from core.errors import ConfigError, DataError
from tests.small_interactions import random_interactions
from tests.wrappers.test_logreg import LAYOUT, N_COLUMNS
from wrappers.artifact import _sha256, load_wrapper
from wrappers.lightgbm_ranker import LightGBM
from wrappers.ranker_training import TrainingRows
from wrappers.ranking_columns import column_names


@pytest.fixture
def rows() -> TrainingRows:
    """60 users with 50 candidates each; the last column but one tells a good item."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(3000, N_COLUMNS)).astype(np.float32)
    return TrainingRows(columns, columns[:, -2] + rng.normal(size=3000) > 1, np.full(60, 50), np.zeros(1, np.float32))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lightgbm") / "saved"
    LightGBM({"epochs": 5}).fit(random_interactions()).save(folder)
    return folder


@pytest.fixture
def saved(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(original, tmp_path / "saved"))


def fitted(rows: TrainingRows, **config: Any) -> LightGBM:
    made = LightGBM(config)
    made.layout = LAYOUT
    made._learn(rows)
    return made


@pytest.mark.parametrize("objective", ["classification", "lambdarank"])
def test_scores_are_those_of_lightgbm(rows: TrainingRows, objective: str) -> None:
    ours = fitted(rows, objective=objective, epochs=20)
    parameters = {
        "objective": {"classification": "binary"}.get(objective, objective),
        "learning_rate": 0.05,
        "num_leaves": 7,
        "min_data_in_leaf": 20,
        "lambda_l2": 1.0,
        "feature_fraction": 0.5,
        "monotone_constraints": [0] * (N_COLUMNS - 2) + [1, -1],
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows.columns, rows.positive.astype(float), group=rows.per_user)
    theirs = lightgbm.train(parameters, data, 20).predict(rows.columns)
    found = ours._rank(rows.columns.reshape(60, 50, -1))
    np.testing.assert_allclose(found.ravel(), theirs, rtol=1e-6)
    assert np.corrcoef(found.ravel(), rows.columns[:, -2])[0, 1] > 0.8


def test_the_seed_draws_the_columns(rows: TrainingRows) -> None:
    texts = [fitted(rows, seed=seed, epochs=5)._text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_better_score_by_the_retriever_never_counts_against_an_item(rows: TrainingRows) -> None:
    model = fitted(rows)
    columns = np.repeat(rows.columns[:1], 20, axis=0)
    columns[:, -2] = np.linspace(-3, 3, 20)
    assert (np.diff(model._rank(columns[np.newaxis])[0]) >= 0).all()


def test_importances_are_named_and_ordered(rows: TrainingRows) -> None:
    found = fitted(rows).importances
    assert set(found) == set(column_names(LAYOUT))
    assert next(iter(found)) == "retriever_score"
    nothing = fitted(rows._replace(positive=np.zeros(3000, bool)))
    assert set(nothing.importances.values()) == {0.0}


def test_the_objective_must_be_known() -> None:
    with pytest.raises(ConfigError, match="objective == 'regression': input should be 'classification' or"):
        LightGBM({"objective": "regression"})


def test_the_trees_are_a_text_file_under_its_hash(saved: Path) -> None:
    assert (saved / "booster.txt").read_text().startswith("tree\nversion=")
    header = json.loads((saved / "model.json").read_text())
    assert header["sha256"]["booster.txt"] == _sha256(saved / "booster.txt")


def test_tampered_trees_are_refused(saved: Path) -> None:
    text = (saved / "booster.txt").read_text()
    (saved / "booster.txt").write_text(text.replace("leaf_value=", "leaf_value=1", 1))
    with pytest.raises(DataError, match=r"booster\.txt: is damaged"):
        load_wrapper(saved)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("no trees", "booster.txt is no booster of LightGBM"), ("", None)],
)
def test_a_text_that_holds_no_trees(saved: Path, text: str, problem: str | None) -> None:
    """Refused even under its right hash; an empty one says that nothing could be learned."""
    (saved / "booster.txt").write_text(text)
    header = json.loads((saved / "model.json").read_text())
    header["sha256"]["booster.txt"] = _sha256(saved / "booster.txt")
    (saved / "model.json").write_text(json.dumps(header))
    if problem is None:
        assert len(load_wrapper(saved).predict([{"user_id": 1, "k": 3}])[0]["items"]) == 3
    else:
        with pytest.raises(DataError, match=problem):
            load_wrapper(saved)


def test_trees_of_other_columns_are_refused(saved: Path) -> None:
    data = lightgbm.Dataset(np.arange(200.0).reshape(100, 2), np.arange(100) % 2)
    other = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 1).model_to_string()
    (saved / "booster.txt").write_text(other)
    header = json.loads((saved / "model.json").read_text())
    header["sha256"]["booster.txt"] = _sha256(saved / "booster.txt")
    (saved / "model.json").write_text(json.dumps(header))
    with pytest.raises(DataError, match="the trees have 2 columns, must have"):
        load_wrapper(saved)
