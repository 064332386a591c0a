"""NCF: the paper's formula, numpy's answers those of torch, each variant and loss learns."""

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
from wrappers.lightning_loop import TrainingTask
from wrappers.ncf import NCF, NCFConfig
from wrappers.ncf_network import NCFTask, NeuMF, served_arrays
from wrappers.popularity import Popularity
from wrappers.training_data import TrainingData

VARIANTS = ("neumf", "gmf", "mlp")


def filled(variant: str, **given: Any) -> tuple[NCF, NeuMF]:
    """A model whose network was filled at random instead of trained."""
    made = NCF({"variant": variant, "embedding_size": 6, "mlp_size": 8, "layers": 3, **given})
    made.known = TrainingData.of(random_interactions(40, 30))
    torch.manual_seed(0)
    network = NeuMF(40, 30, made.config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_()
    made._learned = served_arrays(network.eval().requires_grad_(False))
    return made, network


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_are_those_of_the_paper(variant: str) -> None:
    made, network = filled(variant)
    user, item = 7, 11
    expected = network.item_bias[item, 0].clone()
    if variant != "mlp":
        expected += (network.gmf_user.weight[user] * network.gmf_item.weight[item]).sum()
    if variant != "gmf":
        both = torch.cat([network.mlp_user.weight[user], network.mlp_item.weight[item]])
        first = torch.cat([network.first_user.weight, network.first_item.weight], dim=1)
        layer = torch.relu(first @ both + network.first_item.bias)
        for linear in network.hidden:
            layer = torch.relu(linear(layer))
        expected += network.output(layer)[0]
    np.testing.assert_allclose(made.score(np.array([user]))[0, item], expected.detach(), rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_numpy_answers_as_torch_does(variant: str) -> None:
    made, network = filled(variant)
    with torch.inference_mode():
        parts = network.user_part(torch.arange(40)), network.item_part(torch.arange(30))
        expected = network(*parts).numpy()
    np.testing.assert_allclose(made.score(np.arange(40)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs_and_catalogue_give_the_same_scores(variant: str) -> None:
    _, network = filled(variant)
    user, item = network.user_part(torch.arange(5)), network.item_part(torch.arange(30))
    own = item[None].expand(5, -1, -1)
    torch.testing.assert_close(network(user, own), network(user, item))


@pytest.mark.parametrize(
    "config",
    [
        {"variant": "gmf"},
        {"variant": "gmf", "softmax_items": 20},
        {"variant": "gmf", "loss": "bce", "epochs": 20, "learning_rate": 0.02},
        {"variant": "mlp"},
        {"pretrain": False},
    ],
)
def test_every_variant_finds_what_groups_like(config: dict[str, Any]) -> None:
    loader = grouped_loader(240, 60)
    assert NCF(config).train(loader).evaluate(loader).means["ndcg_at_10"] > 0.8


def batches_of(task: TrainingTask, epoch: int) -> list[list[np.ndarray[Any, Any]]]:
    return [[tensor.numpy() for tensor in batch] for batch in task.batches(epoch)]


def test_a_drawn_part_holds_the_ratings_it_says() -> None:
    history = TrainingData.of(random_interactions(40, 30)).history
    task = NCFTask(history, NCFConfig(softmax_items=10, validation_share=0))
    for user, item, row, place in batches_of(task, 0):
        assert len(item) == len(set(item.tolist())) == 10
        expected = history[user].toarray()[:, item]
        found = np.zeros_like(expected)
        found[row, place] = 1
        np.testing.assert_array_equal(found, expected)


def test_every_rating_has_its_negatives_once_an_epoch() -> None:
    history = TrainingData.of(random_interactions(40, 30)).history
    task = NCFTask(history, NCFConfig(loss="bce", negatives=3, validation_share=0))
    batches = batches_of(task, 0)
    user, item = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    dense = history.toarray()
    assert item.shape == (history.nnz, 4)
    assert dense[user, item[:, 0]].all()
    assert len(set(zip(user.tolist(), item[:, 0].tolist(), strict=True))) == history.nnz
    assert not dense[user[:, np.newaxis], item[:, 1:]].any()
    assert not np.array_equal(np.concatenate([batch[1] for batch in batches_of(task, 1)]), item)


def test_reasons_are_cosines_of_what_was_rated() -> None:
    made, _ = filled("neumf")
    rated, alike = made.contributions(3, np.array([5, 6]))
    assert set(rated.tolist()) == set(made.known.history[[3]].indices.tolist())
    assert alike.shape == (2, len(rated))
    assert np.abs(alike).max() <= 1 + 1e-6


def test_weights_of_another_size_are_refused() -> None:
    made, _ = filled("gmf")
    other = NCF({"variant": "gmf", "embedding_size": 5})
    other.known = made.known
    with pytest.raises(ValueError, match=r"gmf_user has shape \(40, 6\), must have \(40, 5\)"):
        other.restore(made.state())


@pytest.mark.real_data
@pytest.mark.long
def test_beats_popularity_on_real_ratings(movielens: Path) -> None:
    """The quick half of NeuMF, a few epochs of it; benchmarks tell how far the whole gets."""
    loader = LocalDataLoader(movielens, split=SplitRule(kind="ms75"))
    ours, theirs = (
        made.train(loader).evaluate(loader, {"relevant_rating": 0}).per_user["ndcg"]
        for made in (NCF({"variant": "gmf", "epochs": 15}), Popularity())
    )
    assert paired_bootstrap(ours, theirs, seed=0).ci_lower > 0
