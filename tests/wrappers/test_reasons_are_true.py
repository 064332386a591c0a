"""What a reason names is what the score comes from: without that rating it falls more than without another one."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from core.interactions import Interactions
from loaders.local import LocalDataLoader
from wrappers.base import ModelWrapper
from wrappers.composite import CompositeWrapper
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import MODELS, model
from wrappers.two_tower import TwoTower

#: Takes longer than its share of `make test`.
_LONG = {"deep_content", "ncf"}


def cases(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.long if name in _LONG else ()) for name in names]


#: Learned anew without a rating, with what makes that quick; whatever is drawn at random is drawn anew as well.
LEARNED_ANEW: dict[str, dict[str, Any]] = {
    "als": {},
    "bpr": {"epochs": 6},
    "content": {},
    "ease": {},
    "ials": {"epochs": 4},
    "item_knn": {},
    # After three epochs the weights are mostly those it was drawn with, which say nothing of anybody.
    "ncf": {"epochs": 10},
    "sequence_knn": {},
    "user_knn": {},
}
#: Learned once: what the user rated is looked up when an item is scored, and one rating is not there any more.
LOOKED_UP: dict[str, dict[str, Any]] = {
    "deep_content": {"epochs": 1},
    "ease": {},
    "item_knn": {},
    "svd": {"epochs": 5},
    "svdpp": {"epochs": 2},
    "two_tower": {"epochs": 10},
}


def test_models_that_tell_of_ratings_are_all_held_to_it() -> None:
    kinds = {name: model(name) for name in MODELS}
    telling = {
        name
        for name, kind in kinds.items()
        if issubclass(kind, RecommenderWrapper)
        and kind.contributions is not RecommenderWrapper.contributions
        # What is made of other models tells what those tell.
        and not issubclass(kind, CompositeWrapper)
    }
    assert telling == LEARNED_ANEW.keys() | LOOKED_UP.keys(), "name it in one of the tables, as its score is made"


@pytest.fixture(scope="module")
def much_rated(movielens: Path) -> Interactions:
    """Ratings of the 300 films that most users rated."""
    data = LocalDataLoader(movielens).load()
    counts = data.ratings["item_id"].value_counts()
    return data.take(np.flatnonzero(data.ratings["item_id"].isin(counts.index[:300]).to_numpy()))


class Case:
    """Two hundred users of a trained model, the best item of each, what its reason names first, and another rated item.

    Attributes:
        users: (200,) user indexes.
        best: (200,) item indexes.
        pairs: (user, item) indexes of what is named, and of another item the user rated, drawn at random from those
            that the reason does not name.
    """

    def __init__(self, recommender: RecommenderWrapper) -> None:
        n_rated = np.diff(recommender.known.history.indptr)
        self.users = np.flatnonzero((n_rated >= 10) & (n_rated <= 60))[:200]
        self.best = recommender.recommend(recommender.known.users.ids[self.users], 1).item_index[:, 0]
        self.pairs: dict[str, list[tuple[int, int]]] = {"named": [], "another": []}
        rng = np.random.default_rng(0)
        for user, item in zip(self.users.tolist(), self.best, strict=True):
            found = recommender.contributions(user, np.array([item]))
            assert found is not None
            rated, parts = found
            order = np.argsort(-parts[0], kind="stable")
            self.pairs["named"].append((user, rated[order[0]]))
            self.pairs["another"].append((user, rated[rng.choice(order[2:])]))

    def scores(self, recommender: RecommenderWrapper) -> npt.NDArray[np.float32]:
        """(200,) of the best items."""
        return recommender.score(self.users)[np.arange(len(self.users)), self.best]

    def check(self, before: RecommenderWrapper, after: dict[str, RecommenderWrapper]) -> None:
        """The scores fall more without what is named: of two users in three, and by half as much again on average.

        No more, because what two items say of a third overlaps, and because a network learned anew is another one.
        """
        score = self.scores(before)
        fall = {which: score - self.scores(changed) for which, changed in after.items()}
        assert (fall["named"] > fall["another"]).mean() >= 2 / 3
        assert fall["named"].mean() > 1.5 * max(fall["another"].mean(), 0)


@pytest.mark.real_data
@pytest.mark.parametrize("name", cases(LEARNED_ANEW))
@pytest.mark.long
def test_learned_anew_without_the_named_rating_the_score_falls_most(name: str, much_rated: Interactions) -> None:
    before = model(name)(LEARNED_ANEW[name])
    assert isinstance(before, RecommenderWrapper)
    case = Case(before.fit(much_rated))
    user, item = (
        index.index_of(much_rated.ratings[column].to_numpy())
        for index, column in ((before.known.users, "user_id"), (before.known.items, "item_id"))
    )
    after: dict[str, RecommenderWrapper] = {}
    for which, pairs in case.pairs.items():
        gone = np.isin(user * 300 + item, [one * 300 + other for one, other in pairs])
        made = model(name)(LEARNED_ANEW[name])
        assert isinstance(made, RecommenderWrapper)
        after[which] = made.fit(much_rated.take(np.flatnonzero(~gone)))
        # Nobody and nothing is left without a rating: the indexes are the same.
        assert after[which].known.history.shape == before.known.history.shape
    case.check(before, after)


class KeptTowers(TwoTower):
    """Keeps its network, so that users can be described anew by what they rated."""

    def _keep(self, network: Any) -> None:
        self._network = network
        super()._keep(network)

    def restore(self, state: Any) -> None:
        self._keep(self._network)


@pytest.mark.real_data
@pytest.mark.parametrize("name", cases(LOOKED_UP))
def test_without_the_named_rating_in_the_history_the_score_falls_most(name: str, much_rated: Interactions) -> None:
    kind: type[ModelWrapper] = KeptTowers if name == "two_tower" else model(name)
    before = kind(LOOKED_UP[name])
    assert isinstance(before, RecommenderWrapper)
    case = Case(before.fit(much_rated))
    after = {}
    for which, pairs in case.pairs.items():
        history = before.known.history.toarray()
        history[tuple(np.transpose(pairs))] = 0
        after[which] = copy.copy(before)
        after[which].known = replace(before.known, history=sparse.csr_array(history))
        after[which].restore(before.state())
    case.check(before, after)
