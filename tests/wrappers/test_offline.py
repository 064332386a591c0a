"""Offline evaluation of a recommender by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from tests.small_interactions import MemoryLoader, interactions_of
from wrappers.popularity import Popularity


def test_judges_the_unseen_items_in_popularity_order() -> None:
    # Popularity: item 1 (3 users), item 2 (2), items 3 and 4 (1 each).
    train = interactions_of([1, 2, 3, 1, 2, 3, 1], [1, 1, 1, 2, 2, 3, 4])
    test = interactions_of([2, 3, 3, 9], [4, 2, 777, 1])
    loader = MemoryLoader(train, test)
    result = Popularity().train(loader).evaluate(loader, {"k": 2})
    assert result.user_ids.tolist() == [2, 3, 9]
    # User 2 is shown 3, 4 and liked 4. User 3 is shown 2, 4 and liked 2 and an item nobody trained on. User 9 is
    # cold, is shown 1, 2 and liked 1.
    second = 1 / np.log2(3)
    np.testing.assert_allclose(result.per_user["ndcg"], [second, 1 / (1 + second), 1.0])
    np.testing.assert_allclose(result.per_user["recall"], [1.0, 0.5, 1.0])
    assert result.n_cold == 1
    assert result.n_users == 3
    assert result.coverage == 1.0
    assert result.means["recall_at_2"] == pytest.approx(2.5 / 3)
    assert result.means["coverage_at_2"] == 1.0


def test_users_who_liked_nothing_are_left_out_of_the_means() -> None:
    train = interactions_of([1, 2], [1, 2])
    liked, disliked = interactions_of([1], [2]), interactions_of([2], [1], rating=2.0)
    test = Interactions(pd.concat([liked.ratings, disliked.ratings], ignore_index=True))
    result = Popularity().fit(train).evaluate(MemoryLoader(train, test), {"k": 1})
    assert np.isnan(result.per_user["ndcg"]).tolist() == [False, True]
    assert result.n_users == 1
    assert result.means["ndcg_at_1"] == 1.0


def test_nothing_relevant_is_refused() -> None:
    data = interactions_of([1, 2], [1, 2], rating=3.0)
    with pytest.raises(DataError, match=r"none of the 2 held-out ratings is at least relevant_rating == 4\.0"):
        Popularity().fit(data).evaluate(MemoryLoader(data, data))


def test_bad_options_are_refused() -> None:
    data = interactions_of([1, 2], [1, 2])
    with pytest.raises(ConfigError, match="evaluation: k == 0"):
        Popularity().fit(data).evaluate(MemoryLoader(data, data), {"k": 0})
