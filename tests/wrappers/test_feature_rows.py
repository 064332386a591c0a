"""A user's features in a request: what is taken, what a bad one is told, and what the ranking gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput, ConfigError
from feature_repo.catalogue import USER_FEATURES, FeatureLayout
from wrappers.feature_rows import RowSource, StoredRows, UserRows, parse_features
from wrappers.requests import parse_requests

LAYOUT = FeatureLayout(("Drama", "War"))
N = len(LAYOUT.user_names)
AGE = LAYOUT.user_names.index("age")


def row(value: float = 1.0) -> np.ndarray[Any, Any]:
    return np.full(N, value, np.float32)


def stored() -> StoredRows:
    """Two users; their age was missing in training, as in most data."""
    rows = np.stack([row(1.0), row(2.0)])
    rows[:, AGE] = np.nan
    return StoredRows(rows, LAYOUT)


def test_an_object_of_names_becomes_a_row() -> None:
    given = {"rating_mean": 4, "age": None, "genre_lift": [0.5, None], "genre_share": [0.25, 0.75]}
    found = parse_features(given, LAYOUT, "features")
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    named = dict(zip(LAYOUT.user_names, found.tolist(), strict=True))
    assert (named["rating_mean"], named["genre_share War"], named["genre_lift Drama"]) == (4.0, 0.75, 0.5)
    assert np.isnan([named["age"], named["genre_lift War"], named["rating_count"]]).all()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"rating_meen": 4}, "features: unknown feature 'rating_meen'; known: rating_count, rating_mean, .*genre_lift"),
        ({"rating_mean": "4"}, "features.rating_mean == '4', must be a number of at most 1e\\+12 in size, or null"),
        ({"rating_mean": True}, "features.rating_mean == True, must be"),
        ({"rating_mean": float("inf")}, "features.rating_mean == inf, must be"),
        ({"rating_mean": 1e13}, "features.rating_mean == 10000000000000.0, must be"),
        ({"rating_mean": 10**400}, "features.rating_mean == 1000000000.*, must be"),
        ({"rating_mean": float("nan")}, "features.rating_mean == nan, must be"),
        ({"genre_share": [1.0]}, "features.genre_share must be a list of 2 numbers, one per genre: Drama, War"),
        ({"genre_share": 1.0}, "features.genre_share must be a list of 2 numbers"),
        ({"genre_share": [1.0, "x"]}, r"features.genre_share\[1\] == 'x', must be"),
        ([1.0, 2.0], "features is a list, must be an object of feature names and numbers, or null"),
        (np.ones(3, np.float32), rf"features is an array of float32 of shape \(3,\), .* shape \({N},\)"),
        (np.ones(N, np.int64), "features is an array of int64"),
        (row(np.inf), r"features holds a number beyond 1e\+12 in size"),
    ],
)
def test_a_bad_row_is_named(given: Any, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        parse_features(given, LAYOUT, "features")


def test_the_field_is_one_of_models_that_need_it() -> None:
    with pytest.raises(BadInput, match="request 0: unknown field 'features'; known: user_id, k, exclude_items"):
        parse_requests([{"user_id": 1, "features": {}}])
    with pytest.raises(BadInput, match="request 1: features: unknown feature 'x'"):
        parse_requests([{"user_id": 1}, {"user_id": 1, "features": {"x": 1}}], LAYOUT)


def test_null_is_not_the_same_as_not_given() -> None:
    found = parse_requests([{"user_id": 1}, {"user_id": 1, "features": None}], LAYOUT).features
    assert found == [RowSource.TRAINING, None]
    frame = pd.DataFrame([{"user_id": 1}, {"user_id": 1, "features": {"age": 3}}])
    given = parse_requests(frame, LAYOUT).features
    assert given[0] is RowSource.TRAINING
    assert isinstance(given[1], np.ndarray)


def test_each_user_gets_the_row_that_is_due() -> None:
    partial = row(9.0)
    partial[0] = np.nan
    features = [RowSource.TRAINING, RowSource.TRAINING, None, row(9.0), partial]
    found = UserRows.of(features, np.array([1, -1, 0, 0, -1]), stored())
    assert [str(source) for source in found.sources] == ["training", "default", "default", "given", "partial"]
    assert found.given.tolist() == [False, False, False, True, True]
    own = row(2.0)
    own[AGE] = LAYOUT.user_defaults[AGE]
    partial[0] = LAYOUT.user_defaults[0]
    expected = [own, LAYOUT.user_defaults, LAYOUT.user_defaults, row(9.0), partial]
    np.testing.assert_array_equal(found.rows, np.stack(expected))


def test_what_was_missing_in_training_may_be_missing() -> None:
    given = row()
    given[AGE] = np.nan
    assert UserRows.of([given], np.array([-1]), stored()).sources == [RowSource.GIVEN]
    given[AGE + 1] = np.nan
    assert UserRows.of([given], np.array([-1]), stored()).sources == [RowSource.PARTIAL]


def test_one_entry_per_user() -> None:
    with pytest.raises(ConfigError, match="features has 1 entries, must have one per user: 2"):
        UserRows.of([None], np.array([0, 1]), stored())
    assert UserRows.of(None, np.array([0, -1]), stored()).sources == [RowSource.TRAINING, RowSource.DEFAULT]
    assert UserRows.of([], np.empty(0, np.int64), stored()).rows.shape == (0, N)


def test_a_parsed_empty_object_is_partial() -> None:
    found = parse_features({}, LAYOUT, "features")
    assert UserRows.of([found], np.array([0]), stored()).sources == [RowSource.PARTIAL]
    assert len(USER_FEATURES) + 4 == N
