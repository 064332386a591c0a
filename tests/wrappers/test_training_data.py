"""What a recommender knows of its training data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
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


def with_table(data: Interactions, ids: list[int] | list[str]) -> Interactions:
    """The same ratings with another item table."""
    table = pd.DataFrame({"item_id": ids, "title": [f"Title {one}" for one in ids]})
    return Interactions(data.ratings, items=table)


@pytest.mark.parametrize(
    ("rated", "table", "expected"),
    [
        ([20, 10], [30, 10], [10, 20, 30]),
        (["b", "a"], ["longer than those rated", "a"], ["a", "b", "longer than those rated"]),
        ([20, 10], ["30", "10"], [10, 20, 30]),
        (["20", "10"], [300, 10], ["10", "20", "300"]),
        ([20, 10], [], [10, 20]),
        (["b", "a"], [], ["a", "b"]),
    ],
)
def test_items_nobody_rated_are_known_on_request(
    rated: list[int] | list[str], table: list[int] | list[str], expected: list[int] | list[str]
) -> None:
    """Ids may be of another type in the item table: text where the ratings have numbers, longer text, none at all."""
    data = with_table(interactions_of([1, 2], rated), table)
    known = TrainingData.of(data, with_unrated=True)
    assert known.items.ids.tolist() == known.catalogue["item_id"].tolist() == expected
    in_table = {str(one) for one in table}
    assert known.titles.tolist() == [f"Title {one}" if str(one) in in_table else str(one) for one in expected]
    assert known.popularity.tolist() == [float(one in rated) for one in expected]
    again = TrainingData.from_arrays(known.arrays(), known.catalogue)
    assert again.items == known.items
    np.testing.assert_array_equal(again.history.toarray(), known.history.toarray())


def test_item_tables_whose_ids_cannot_be_those_of_ratings_are_refused() -> None:
    data = with_table(interactions_of([1, 2], [10, 20]), ["10", "tt0111161"])
    with pytest.raises(DataError, match=r"item ids are integers, those of the item table are not .*tt0111161"):
        TrainingData.of(data, with_unrated=True)


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
