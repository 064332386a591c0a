"""What a recommender knows of its training data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.interactions import Interactions
from tests.small_interactions import interactions_of
from wrappers.training_data import TrainingData


def test_items_without_a_row_in_the_item_table_are_called_by_their_id() -> None:
    data = interactions_of([1, 1, 2], [30, 10, 20])
    known = TrainingData.of(Interactions(data.ratings, items=data.items.iloc[[1]], genres=data.genres.iloc[[4]]))
    assert known.catalogue["item_id"].tolist() == [10, 20, 30]
    assert known.catalogue["title"].tolist() == ["10", "Film 20", "30"]
    assert known.catalogue["year"].isna().tolist() == [True, False, True]
    assert known.catalogue["genres"].tolist() == ["", "", "Drama"]


def test_items_nobody_rated_are_left_out() -> None:
    data = interactions_of([1, 2], [10, 20])
    known = TrainingData.of(data.take(np.array([1])))
    assert known.items.ids.tolist() == [20]
    assert known.titles.tolist() == ["Film 20"]


def test_popularity_counts_users_not_ratings() -> None:
    known = TrainingData.of(interactions_of([1, 1, 2, 1], [10, 10, 10, 20]))
    assert known.popularity.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("ids", [[1, 2], ["u 1", "ü"]])
def test_what_is_stored_comes_back(ids: list[int] | list[str]) -> None:
    known = TrainingData.of(interactions_of([ids[0], ids[1], ids[0]], ["x", "x", "y"]))
    again = TrainingData.from_arrays(known.arrays(), known.catalogue)
    assert (again.users, again.items) == (known.users, known.items)
    np.testing.assert_array_equal(again.history.toarray(), known.history.toarray())
    pd.testing.assert_frame_equal(again.catalogue, known.catalogue)


@pytest.mark.parametrize(
    "change",
    [
        {"history_indices": np.array([0, 7, 1], np.int32)},
        {"history_indptr": np.array([0, 2], np.int64)},
        {"user_id": np.array([1, 1])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, np.ndarray]) -> None:
    known = TrainingData.of(interactions_of([1, 2, 1], [10, 10, 20]))
    with pytest.raises(ValueError, match=r".+"):
        TrainingData.from_arrays({**known.arrays(), **change}, known.catalogue)
