"""ms75 is recommenders-team's split to the row, full811 RecBole's to the count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.published_splits import full811, ms75
from evaluation.splits import Split, leaks
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from wrappers.ease import Ease
from wrappers.popularity import Popularity

ITEMS = st.lists(st.integers(0, 8), max_size=80).map(lambda rows: np.array(rows, dtype=np.int64))
LOGS = st.lists(st.tuples(st.integers(-1, 4), st.integers(1, 5)), max_size=90).map(
    lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2)
)


def as_recommenders_team_does(item: npt.NDArray[np.int64]) -> list[int]:
    """Their rule written in pandas: rank each item's rows by a random column, cut at the rounded share."""
    frame = pd.DataFrame({"item": item, "random": np.random.RandomState(42).rand(len(item))})
    frame = frame.sort_values(["item", "random"])
    by_item = frame.groupby("item")
    rank, count = by_item.cumcount() + 1, by_item["item"].transform("count")
    return sorted(frame.index[rank <= round(0.75 * count)].tolist())


@given(ITEMS)
def test_ms75_equals_the_rule_in_pandas(item: npt.NDArray[np.int64]) -> None:
    split = ms75(item)

    assert split.train.tolist() == as_recommenders_team_does(item)
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(len(item)))
    assert leaks(split, np.zeros(len(item)), np.zeros(len(item)), "ms75", item) == ()


@pytest.mark.parametrize(
    ("n", "n_train"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (10, 8), (14, 10), (18, 14)]
)
def test_ms75_rounds_halves_to_even(n: int, n_train: int) -> None:
    """0.75 n is 1.5, 4.5, 7.5, 10.5 and 13.5 for n of 2, 6, 10, 14 and 18."""
    assert len(ms75(np.zeros(n, dtype=np.int64)).train) == n_train


def test_ms75_by_hand() -> None:
    """The legacy generator's first numbers for seed 42 are .37 .95 .73 .60 .16: of four rows, the second ranks last."""
    assert ms75([5, 5, 5, 5, 9]).test.tolist() == [1]


def test_ms75_leaves_numpys_generator_alone() -> None:
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    ms75(np.arange(50))

    assert np.array_equal(np.random.get_state()[1], before)


def test_an_item_without_a_training_row_is_a_leak_of_ms75() -> None:
    split = Split(np.array([0, 1]), np.array([2]))

    assert leaks(split, [1, 1, 1], [0, 0, 0], "ms75", ["a", "a", "b"]) == (
        "1 items have test rows but no training row, e.g. item b",
    )
    with pytest.raises(ValueError, match="item is None"):
        leaks(split, [1, 1, 1], [0, 0, 0], "ms75")


@pytest.mark.real_data
def test_ms75_gives_the_published_figures_on_ml_latest_small(movielens: Path) -> None:
    """Popularity .2123 and EASE (lambda 200) .4125 in NDCG@10 over all held-out ratings: another split would differ."""
    loader = LocalDataLoader(movielens, split=SplitRule("ms75"))
    split = loader.split_rows()
    judged = {"k": 10, "relevant_rating": 0}

    assert (len(split.train), len(split.test)) == (76_882, 23_954)
    assert loader.test().ratings["user_id"].nunique() == 610
    popularity, ease = (model.train(loader).evaluate(loader, judged) for model in (Popularity(), Ease({"reg": 200.0})))
    assert popularity.means["ndcg_at_10"] == pytest.approx(0.2123, abs=0.00005)
    assert ease.means["ndcg_at_10"] == pytest.approx(0.4125, abs=0.00005)


def parts_of(n: int) -> tuple[int, int, int]:
    """RecBole's counts for ratios 0.8, 0.1, 0.1: what is below 1 is rounded up to it while train has more than one."""
    validation = test = int(n / 10)
    train = n - validation - test
    if train > 1 and test == 0:
        train, test = train - 1, 1
    if train > 1 and validation == 0:
        train, validation = train - 1, 1
    return train, validation, test


@given(LOGS, st.integers(0, 20))
def test_full811_counts_as_recbole_does(log: npt.NDArray[np.int64], seed: int) -> None:
    user, rating = log.T
    split = full811(user, rating, seed)

    assert np.array_equal(np.sort(np.concatenate(split)), np.flatnonzero(rating >= 3))
    for one in np.unique(user):
        kept = int(np.count_nonzero((user == one) & (rating >= 3)))
        assert tuple(int(np.count_nonzero(user[part] == one)) for part in split) == parts_of(kept)


@given(LOGS, st.integers(0, 20))
def test_full811_leaks_nothing_in_tuning_or_in_the_test(log: npt.NDArray[np.int64], seed: int) -> None:
    user, rating = log.T
    split = full811(user, rating, seed)

    for two in (split.for_tuning(), split.for_test()):
        assert leaks(two, user, np.zeros(len(log)), "full811") == ()
    assert np.array_equal(np.sort([*split.known, *split.test]), np.flatnonzero(rating >= 3))


def test_full811_is_decided_by_its_seed() -> None:
    user, rating = np.repeat(np.arange(5), 30), np.full(150, 4)

    assert np.array_equal(full811(user, rating, 1).test, full811(user, rating, 1).test)
    assert not np.array_equal(full811(user, rating, 1).test, full811(user, rating, 2).test)
    with pytest.raises(ValueError, match=r"user has shape \(1,\), rating \(2,\)"):
        full811([1], [1, 2], 0)
