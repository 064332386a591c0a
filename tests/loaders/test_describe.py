"""Figures of a data set against counting by hand."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import loaders.describe
from core.interactions import Interactions
from evaluation.splits import Split
from loaders.base import SplitRule
from loaders.describe import all_train, describe, description_html, facts, gini, top_share
from loaders.local import LocalDataLoader


@pytest.fixture
def five() -> Interactions:
    """Item 10 has three ratings, 20 and 30 one each; 40 is listed and never rated."""
    return Interactions(
        pd.DataFrame(
            {
                "user_id": [1, 1, 2, 2, 3],
                "item_id": [10, 20, 10, 30, 10],
                "rating": np.array([4, 4, 5, 0.5, 4], np.float32),
                "timestamp": [0, 86_400, 5, 6, 7],
            }
        ),
        items=pd.DataFrame({"item_id": [10, 20, 30, 40], "title": list("abcd")}),
        genres=pd.DataFrame({"item_id": [10, 10, 20], "genre": ["Drama", "War", "Drama"]}),
    )


def split_of(train: list[int], test: list[int]) -> Split:
    return Split(np.array(train, dtype=np.int64), np.array(test, dtype=np.int64))


def test_doctests() -> None:
    assert doctest.testmod(loaders.describe).failed == 0


def test_figures_are_those_counted_by_hand(five: Interactions) -> None:
    found = describe(five, split_of([0, 2, 3], [1, 4]))

    assert (found.n_ratings, found.n_users, found.n_items, found.n_items_listed, found.n_genres) == (5, 3, 3, 4, 2)
    assert found.density == pytest.approx(5 / 9)
    assert found.rating_mean == pytest.approx(3.5)
    assert found.rating_counts == {"0.5": 1, "4": 3, "5": 1}
    assert (found.first_rating, found.last_rating) == ("1970-01-01", "1970-01-02")
    assert found.item_quantiles == {"min": 1, "25%": 1, "50%": 1, "75%": 2, "99%": pytest.approx(2.96), "max": 3}
    assert found.gini_items == pytest.approx((-2 * 1 + 0 * 1 + 2 * 3) / (3 * 5))
    assert found.top_1_percent_share == pytest.approx(3 / 5)
    assert found.items_below_5_share == 1
    assert sum(found.tenths) == pytest.approx(1)
    assert (found.n_train, found.n_test, found.n_test_users) == (3, 2, 2)


def test_cold_users_and_items_are_those_train_does_not_have(five: Interactions) -> None:
    found = describe(five, split_of([0, 2, 3], [1, 4]))

    assert found.cold_users == 1
    assert found.cold_items == 1
    assert found.cold_item_test_share == pytest.approx(1 / 2)


def test_no_ratings_have_no_figures() -> None:
    empty = Interactions(pd.DataFrame({"user_id": [], "item_id": [], "rating": [], "timestamp": np.zeros(0, np.int64)}))

    found = describe(empty, split_of([], []))

    assert found.n_ratings == 0
    assert np.isnan([found.density, found.rating_mean, found.gini_items, found.cold_item_test_share]).all()
    assert (found.first_rating, found.rating_counts, found.tenths) == ("", {}, [])


def test_gini_and_top_share_of_nothing_are_nan() -> None:
    assert np.isnan([gini(np.zeros(0)), gini(np.zeros(3)), top_share(np.zeros(0), 0.1)]).all()


def test_the_page_holds_every_figure_and_nothing_from_outside(release: Path) -> None:
    loader = LocalDataLoader(release, split=SplitRule("leave_last_n", n=2))
    description = describe(loader.load(), loader.split_rows())
    page = description_html(description, loader.provenance())

    for _, figure in facts(description):
        assert figure in page
    assert str(release) in page
    assert "http" not in page
    assert "<script" not in page


def test_the_page_escapes_the_path(latest: Path, tmp_path: Path) -> None:
    odd = latest.rename(tmp_path / "<b>&")

    loader = LocalDataLoader(odd, split=SplitRule("leave_last_n", n=2))
    page = description_html(describe(loader.load(), loader.split_rows()), loader.provenance())

    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_data_that_cannot_be_split_are_all_train(five: Interactions) -> None:
    found = describe(five, all_train(five))

    assert (found.n_train, found.n_test) == (5, 0)


@pytest.mark.real_data
def test_ml_latest_small_is_described_as_published(movielens: Path) -> None:
    loader = LocalDataLoader(movielens, split=SplitRule("leave_last_n", n=10))
    found = describe(loader.load(), loader.split_rows())

    assert found.density == pytest.approx(0.0170, abs=5e-5)
    assert found.gini_items == pytest.approx(0.7163, abs=1e-4)
    assert found.top_20_percent_share == pytest.approx(0.770, abs=1e-3)
    assert found.items_below_5_share == pytest.approx(0.6246, abs=1e-4)
    assert (found.first_rating, found.last_rating) == ("1996-03-29", "2018-09-24")
    assert (found.cold_users, found.cold_items) == (0, 194)
    json.dumps(found.as_dict(), allow_nan=False)
