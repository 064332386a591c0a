"""What a stack learns from has not seen what it labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import sparse

from core.interactions import Interactions
from evaluation.splits import Split
from tests.small_interactions import interactions_of, random_interactions
from wrappers import out_of_fold
from wrappers.components import ComponentConfig, untrained
from wrappers.out_of_fold import HeldOut, StackRows, best_of_any, folds, latest, out_of_fold_rows
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig

COMPONENTS = {name: ComponentConfig() for name in ("ease", "popularity", "content")}


def rows_of(data: Interactions, held_out: HeldOut | None = None, **options: Any) -> StackRows:
    settings = {"n_candidates": 10, "max_rows": 10**6, "seed": 0, **options}
    return out_of_fold_rows(data, lambda: untrained(COMPONENTS, "test"), held_out or HeldOut(), **settings)


class Memory(RecommenderWrapper):
    """Knows exactly what it was trained on."""

    name = "memory"
    Config = RecommenderConfig

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        pass

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self.known.history[user_index].toarray()

    def state(self) -> Arrays:
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        pass


@pytest.mark.parametrize("is_latest", [False, True])
def test_components_never_saw_what_is_held_out(is_latest: bool) -> None:
    """One that remembers every rating tells positives from the others where any rating leaks."""
    rows = out_of_fold_rows(
        random_interactions(),
        lambda: {"memory": Memory()},
        HeldOut(is_latest),
        n_candidates=25,
        max_rows=10**6,
        seed=0,
    )
    assert rows.positive.sum() > 20
    assert (rows.standard == 0).all()


def test_scores_do_not_depend_on_the_ratings_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same users' rows, to the bit, with some of the held-out ratings never given, and what was tagged of them."""
    data = random_interactions()
    held = np.arange(0, len(data), 5)
    train = np.setdiff1d(np.arange(len(data)), held)
    fewer = held[::2]
    tags = data.ratings.iloc[held][["user_id", "item_id", "timestamp"]].assign(tag="I saw it")
    with_tags = replace(data, tags=tags.reset_index(drop=True))
    monkeypatch.setattr(out_of_fold, "folds", lambda *_: [Split(train, held)])
    whole = rows_of(with_tags)
    kept = np.sort(np.concatenate([train, fewer]))
    monkeypatch.setattr(
        out_of_fold, "folds", lambda *_: [Split(np.searchsorted(kept, train), np.searchsorted(kept, fewer))]
    )
    part = rows_of(data.take(kept))
    same = np.isin(whole.user_ids, part.user_ids)
    assert same.sum() > 0
    assert part.positive.sum() < whole.positive.sum()
    for field in ("user_ids", "standard", "context", "padding"):
        np.testing.assert_array_equal(getattr(whole, field)[same], getattr(part, field))


def test_folds_hold_out_every_rating_once_and_each_items_evenly() -> None:
    data = random_interactions(60, 20)
    found = folds(data, 4, seed=3)
    assert np.sort(np.concatenate([split.test for split in found])).tolist() == list(range(len(data)))
    items = data.ratings["item_id"].to_numpy()
    held_out = pd.DataFrame([pd.Series(items[split.test]).value_counts() for split in found]).fillna(0)
    assert (held_out.max() - held_out.min() <= 1).all()
    for split in found:
        assert np.sort(np.concatenate(split)).tolist() == list(range(len(data)))


def test_fewer_ratings_than_folds_make_fewer_folds() -> None:
    assert len(folds(interactions_of([1, 2], [1, 2]), 5, seed=0)) == 2


def test_the_latest_are_held_out_of_those_who_have_a_past() -> None:
    data = interactions_of([1] * 8 + [2] + [3] * 2, [*range(8), 0, 0, 1])
    (split,) = latest(data, 4)
    assert split.test.tolist() == [6, 7, 10]


def test_candidates_are_the_highest_of_any_component() -> None:
    standard = np.array([[[9, 8, 7, 1, 0]], [[0, 1, 2, 3, 9]]], np.float32)
    seen = np.array([[True, False, False, False, False]])
    assert sorted(best_of_any(standard, seen, 2)[0].tolist()) == [1, 4]
    assert best_of_any(standard, seen, 9)[0].tolist()[-1] == -1


def test_a_rating_that_is_not_liked_is_not_positive() -> None:
    data = random_interactions()
    assert rows_of(data, HeldOut(liked_rating=4.5)).positive.shape[0] == 0
    assert rows_of(data, HeldOut(liked_rating=4.0)).positive.sum() == rows_of(data).positive.sum() > 0


def test_beyond_max_rows_users_are_left_out_at_random() -> None:
    data = random_interactions()
    some = rows_of(data, max_rows=200)
    assert 0 < some.positive.size <= 200
    assert some.positive.shape[0] < rows_of(data).positive.shape[0]


@pytest.mark.parametrize(("max_rows", "n_trained"), [(300, 1), (301, 2), (900, 3), (10**6, 4)])
def test_folds_are_made_until_there_are_candidates_enough(max_rows: int, n_trained: int) -> None:
    """Thirty users make 300 candidates a fold; one fold more would cost a training of every component."""
    made: list[Memory] = []

    def untrained_memory() -> dict[str, RecommenderWrapper]:
        made.append(Memory())
        return {"memory": made[-1]}

    settings = {"n_candidates": 10, "max_rows": max_rows + 9, "seed": 0}
    rows = out_of_fold_rows(random_interactions(), untrained_memory, HeldOut(), **settings)
    assert len(made) == n_trained
    assert 0 < rows.positive.size <= max_rows + 9


def test_a_single_rating_leaves_nothing_to_learn_from() -> None:
    rows = rows_of(interactions_of([1], [1]))
    assert (len(rows.positive), rows.tell_apart) == (0, False)


def test_an_item_that_only_content_knows_may_be_a_candidate() -> None:
    """An item whose one rating is held out is not among the others' items: their scores of it are their least."""
    data = random_interactions(first_item=100)
    lone = interactions_of([1], [99])
    both = replace(
        data,
        ratings=pd.concat([data.ratings, lone.ratings], ignore_index=True),
        items=pd.concat([lone.items, data.items], ignore_index=True),
        genres=pd.concat([lone.genres, data.genres], ignore_index=True),
    )
    assert np.isfinite(rows_of(both, n_candidates=26).standard).all()
