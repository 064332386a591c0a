"""Columns to rows, rows to columns."""

from __future__ import annotations

import numpy as np
import pytest

from feature_repo.catalogue import ITEM_FEATURES, ITEM_GENRE_FEATURES, USER_FEATURES, USER_GENRE_FEATURES, FeatureLayout
from feature_repo.columns import frame_of, rows_of
from feature_repo.views import ITEM_VIEWS, LISTS, USER_VIEWS, full_names


@pytest.mark.parametrize("genres", [(), ("Drama",), ("Drama", "Drama Noir", "War")])
def test_there_and_back(genres: tuple[str, ...]) -> None:
    layout = FeatureLayout(genres)
    rows = np.random.default_rng(1).normal(size=(4, len(layout.user_names))).astype(np.float32)
    rows[1, 3] = np.nan
    features = list(full_names(USER_VIEWS))

    frame = frame_of(rows, features, layout.user_names)

    assert list(frame.columns) == features
    assert {len(one) for name in LISTS & set(features) for one in frame[name]} == {len(genres)}
    columns = {name: frame[name].to_list() for name in features}
    np.testing.assert_array_equal(rows_of(columns, layout.user_names, genres), rows)


def test_what_is_none_or_not_given_is_missing() -> None:
    layout = FeatureLayout(("Drama", "War"))
    rows = rows_of({"rating_count": [3, None], "genre_share": [None, [0.25, 0.75]]}, layout.user_names, layout.genres)
    at = {name: place for place, name in enumerate(layout.user_names)}

    np.testing.assert_array_equal(rows[:, at["rating_count"]], [3, np.nan])
    np.testing.assert_array_equal(rows[:, at["genre_share War"]], [np.nan, 0.75])
    assert np.isnan(rows[:, at["age"]]).all()


def test_no_rows() -> None:
    assert rows_of({}, FeatureLayout(()).user_names, ()).shape == (0, len(USER_FEATURES))


def test_every_feature_is_in_one_view() -> None:
    for views, known in (
        (USER_VIEWS, (*USER_FEATURES, *USER_GENRE_FEATURES)),
        (ITEM_VIEWS, (*ITEM_FEATURES, *ITEM_GENRE_FEATURES)),
    ):
        assert sorted(name for view in views for name in view.features) == sorted(one.name for one in known)
