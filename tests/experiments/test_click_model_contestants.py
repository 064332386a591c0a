"""What the simulated users think of the contestants: their order, and that it is not the machine's taste alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core.interactions import Interactions
from experiments.click_fit import fit_click_model
from experiments.click_model import NO_ITEM, ClickModel
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.ease import Ease
from wrappers.item_knn import ItemKNN
from wrappers.popularity import Popularity
from wrappers.recommender import RecommenderWrapper
from wrappers.shuffled import Shuffled


def lists_of(model: RecommenderWrapper, world: ClickModel) -> npt.NDArray[np.int64]:
    """(n_users, 10) what the model recommends each parent, in the world's item indexes."""
    own = model.recommend(world.users.ids, 10).item_index
    known = world.items.index_of(model.known.items.ids)
    return np.where(own == NO_ITEM, NO_ITEM, known[np.maximum(own, 0)])


def click_rates(train: Interactions, test: Interactions) -> dict[str, float]:
    world = fit_click_model(train, test, seed=42)
    ease = Ease().fit(train)
    contestants = {
        "popularity": Popularity().fit(train),
        "item_knn": ItemKNN().fit(train),
        "ease": ease,
        "shuffled": Shuffled.around(ease),
    }
    return {
        name: float(world.per_user_click_probability(lists_of(model, world)).mean())
        for name, model in contestants.items()
    }


def random_quarter(data: Interactions) -> tuple[Interactions, Interactions]:
    """Train and test, a random quarter of each user's ratings held out."""
    draw = np.random.default_rng(42).random(len(data))
    order = np.lexsort((draw, data.ratings["user_id"].to_numpy()))
    user = data.ratings["user_id"].to_numpy()[order]
    first = np.searchsorted(user, user)
    rated = np.searchsorted(user, user, side="right") - first
    held_out = np.arange(len(user)) - first < 0.25 * rated
    return data.take(np.sort(order[~held_out])), data.take(np.sort(order[held_out]))


@pytest.mark.real_data
def test_on_movielens_the_lab_s_click_rates_come_out(movielens: Path) -> None:
    rates = click_rates(*random_quarter(LocalDataLoader(movielens).load()))
    assert rates["popularity"] == pytest.approx(0.25, abs=0.005)
    assert rates["item_knn"] == pytest.approx(0.28, abs=0.02)
    assert rates["ease"] == pytest.approx(0.319, abs=0.02)
    assert rates["shuffled"] == pytest.approx(0.157, abs=0.02)


@pytest.mark.long
def test_on_synthetic_ratings_ease_beats_popularity_and_shuffling_loses() -> None:
    loader = SyntheticDataLoader(42)
    rates = click_rates(loader.train(), loader.test())
    assert rates["popularity"] == pytest.approx(0.25, abs=0.005)
    assert rates["ease"] > rates["popularity"] * 1.05
    assert rates["shuffled"] < rates["ease"] * 0.9
