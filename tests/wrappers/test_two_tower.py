"""Two towers: batches that fit together, the correction for popular negatives, answers that are products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluation.paired import paired_bootstrap
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.small_interactions import grouped_loader, random_interactions
from wrappers.popularity import Popularity
from wrappers.training_data import TrainingData
from wrappers.two_tower import TwoTower, TwoTowerConfig
from wrappers.two_tower_network import TwoTowerTask, vectors


@pytest.fixture(scope="module")
def known() -> TrainingData:
    return TrainingData.of(random_interactions(60, 40))


def task_of(known: TrainingData, **config: Any) -> TwoTowerTask:
    return TwoTowerTask(known.history, known.genre_flags.astype(np.float32), TwoTowerConfig(**config))


def test_what_is_given_and_what_is_foretold_make_up_the_history(known: TrainingData) -> None:
    dense = known.history.toarray()
    seen_users = []
    for batch in task_of(known, validation_share=0, negatives=15).batches(0):
        user, given, begins, pool, _, row, place, seen_row, seen_place = (tensor.numpy() for tensor in batch)
        assert len(set(row.tolist())) == len(user), "everyone has something to foretell"
        found = np.zeros((len(user), dense.shape[1]))
        for number, items in enumerate(np.split(given, begins[1:])):
            assert len(items) > 0, "and something to be known by"
            found[number, items] += 1
        np.testing.assert_array_equal(found[seen_row, pool[seen_place]], 1)
        assert len(seen_row) == found[:, pool].sum()
        found[row, pool[place]] += 1
        np.testing.assert_array_equal(found, dense[user])
        seen_users += user.tolist()
    assert sorted(seen_users) == list(range(60))


def test_the_chance_to_be_drawn_is_as_told(known: TrainingData) -> None:
    task = task_of(known, validation_share=0, negatives=5)
    rng = np.random.default_rng(0)
    rated = known.history.indices.astype(np.int64)
    there, told = np.zeros(40), np.zeros(40)
    for _ in range(4000):
        pool, log_chance = task._pool(rng, rng.choice(rated, 20))
        there[pool] += 1
        told[pool] = np.exp(log_chance)
    # 5 standard deviations of a share.
    assert np.abs(there / 4000 - told).max() < 5 * np.sqrt(0.25 / 4000)


def test_the_loss_is_a_corrected_softmax_over_what_she_is_not_known_by(known: TrainingData) -> None:
    task = task_of(known, validation_share=0, negatives=15)
    torch.manual_seed(0)
    network = task.network().eval()
    batch = next(iter(task.batches(0)))
    user, given, begins, pool, log_chance, row, place, seen_row, seen_place = batch
    scores = (network.users(user, given, begins) @ network.items(pool).T - log_chance).detach().double().numpy()
    scores[seen_row, seen_place] = -np.inf
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.isclose(task.loss(network, batch).item(), -np.log(shares[row, place]).mean(), rtol=1e-5)


def test_scores_are_products_of_both_towers(known: TrainingData) -> None:
    made = TwoTower({"epochs": 1, "embedding_size": 8})
    network = task_of(known, embedding_size=8).network().eval().requires_grad_(False)
    made.known = known
    made._keep(network)
    users, items = vectors(network, known.history, np.arange(60))
    np.testing.assert_allclose(made.score(np.arange(60)), (users @ items.T).numpy(), atol=1e-5)
    assert made.state()["item_factors"].shape == (40, 9)
    rated, alike = made.contributions(3, np.array([5, 6]))
    assert alike.shape == (2, len(rated))
    assert np.abs(alike).max() <= 1 + 1e-6


def test_finds_what_groups_like() -> None:
    loader = grouped_loader(240, 60)
    assert TwoTower().train(loader).evaluate(loader).means["ndcg_at_10"] > 0.8


@pytest.mark.real_data
def test_beats_popularity_on_real_ratings(movielens: Path) -> None:
    """A few epochs; benchmarks tell how far all of them get."""
    loader = LocalDataLoader(movielens, split=SplitRule(kind="ms75"))
    ours, theirs = (
        made.train(loader).evaluate(loader, {"relevant_rating": 0}).per_user["ndcg"]
        for made in (TwoTower({"epochs": 8}), Popularity())
    )
    assert paired_bootstrap(ours, theirs, seed=0).ci_lower > 0
