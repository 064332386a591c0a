"""The logistic regression: scikit-learn's own probabilities, and coefficients that can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from feature_repo.catalogue import FeatureLayout
from wrappers.logreg import LogReg
from wrappers.ranker_training import TrainingRows
from wrappers.ranking_columns import column_names

LAYOUT = FeatureLayout(("Drama", "War"))
N_COLUMNS = len(column_names(LAYOUT))


def rows_of(columns: np.ndarray[Any, Any], positive: np.ndarray[Any, Any]) -> TrainingRows:
    return TrainingRows(columns, positive, np.array([len(columns)]), np.zeros(1, np.float32))


@pytest.fixture
def rows() -> TrainingRows:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(3000, N_COLUMNS)).astype(np.float32)
    # As far from 0, and as differently spread, as years and counts are.
    columns = columns * rng.uniform(0.01, 200, N_COLUMNS).astype(np.float32) + 2000
    columns[:, 7] = 3.5
    positive = (columns[:, -2] - 2000) / columns[:, -2].std() + rng.normal(size=3000) > 1
    return rows_of(columns, positive)


def fitted(rows: TrainingRows, **config: Any) -> LogReg:
    made = LogReg(config)
    made.layout = LAYOUT
    made._learn(rows)
    return made


def test_probabilities_are_those_of_scikit_learn(rows: TrainingRows) -> None:
    ours = fitted(rows, reg=10.0)._rank(rows.columns[np.newaxis])[0]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    theirs.fit(rows.columns.astype(np.float64), rows.positive)
    np.testing.assert_allclose(ours, theirs.predict_proba(rows.columns.astype(np.float64))[:, 1], atol=2e-4)


def test_coefficients_are_named_and_ordered(rows: TrainingRows) -> None:
    found = fitted(rows).coefficients
    assert set(found) == set(column_names(LAYOUT))
    assert next(iter(found)) == "retriever_score"
    assert found["retriever_score"] > 1
    assert found[column_names(LAYOUT)[7]] == 0, "a constant has no say"
    assert "item_has_genre War" in found


def test_rows_of_one_kind_teach_nothing(rows: TrainingRows) -> None:
    for positive in (np.zeros(3000, bool), np.ones(3000, bool)):
        assert set(fitted(rows_of(rows.columns, positive)).coefficients.values()) == {0.0}
    empty = rows_of(rows.columns[:0], np.zeros(0, bool))
    assert fitted(empty)._rank(rows.columns[np.newaxis, :4]).tolist() == [[0.5] * 4]


def test_threads_do_not_change_the_result(rows: TrainingRows) -> None:
    wide = rows_of(np.tile(rows.columns, (10, 1)), np.tile(rows.positive, 10))
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit, "blas"):
            found.append(fitted(wide).coefficients)
    assert found[0] == found[1]
