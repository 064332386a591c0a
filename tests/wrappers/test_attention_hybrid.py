"""Attention over components: its network by hand, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from tests.small_interactions import grouped_loader, interactions_of, random_interactions
from wrappers.attention_hybrid import AttentionHybrid, AttentionHybridConfig
from wrappers.out_of_fold import StackRows

SMALL: dict[str, Any] = {
    "components": {"ease": {"config": {"reg": 20.0}}, "popularity": {}},
    "embedding_size": 8,
    "epochs": 2,
}


@pytest.mark.long
def test_it_is_as_good_as_its_best_component() -> None:
    loader = grouped_loader()
    made = AttentionHybrid(SMALL).train(loader)
    alone = made._components.models["ease"].evaluate(loader).means["ndcg_at_10"]
    assert made.evaluate(loader).means["ndcg_at_10"] > alone - 0.02


def test_whom_to_believe_is_learned_from_the_context() -> None:
    """Component 0 is right where the context is high, component 1 where it is low: no weighted sum can be right."""
    torch = pytest.importorskip("torch")
    from wrappers.attention_network import AttentionTask
    from wrappers.lightning_loop import train

    rng = np.random.default_rng(0)
    n, c = 400, 20
    standard = rng.normal(size=(n, c, 2)).astype(np.float32)
    context = np.repeat(rng.normal(size=(n, 1, 4)), c, axis=1).astype(np.float32)
    truth = np.where(context[..., 0] > 0, standard[..., 0], standard[..., 1])
    positive = truth >= np.sort(truth, axis=1)[:, [-2]]
    rows = StackRows(np.arange(n), standard, context, positive, positive.sum(axis=1), np.zeros((n, c), np.bool_))
    config = AttentionHybridConfig(epochs=10, learning_rate=0.01)
    network = train(AttentionTask(rows, standard.mean(axis=-1), config), config, name="attention")
    with torch.no_grad():
        flat = [torch.from_numpy(one.reshape(n * c, -1)) for one in (standard, context)]
        corrected = standard.mean(axis=-1) + network(*flat).numpy().reshape(n, c)
    hits = [positive[np.arange(n), scores.argmax(axis=1)].mean() for scores in (standard.mean(axis=-1), corrected)]
    assert hits[1] > hits[0] + 0.1


def test_attention_equals_torchs_own() -> None:
    torch = pytest.importorskip("torch")
    from wrappers.attention_network import AttentionOverComponents

    torch.manual_seed(0)
    config = AttentionHybridConfig(embedding_size=8, heads=2)
    network = AttentionOverComponents(np.zeros(4, np.float32), np.ones(4, np.float32), 3, config).eval()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    tokens = torch.randn(5, 4, 8)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([network.asked.weight, network.told.weight]))
        theirs.in_proj_bias.copy_(torch.cat([network.asked.bias, network.told.bias]))
        theirs.out_proj.weight.copy_(network.mixed.weight)
        theirs.out_proj.bias.copy_(network.mixed.bias)
        ours, expected = network.mixed(network.attended(tokens)), theirs(tokens, tokens, tokens)[0][:, -1]
    torch.testing.assert_close(ours, expected)


def test_an_untrained_network_corrects_nothing() -> None:
    torch = pytest.importorskip("torch")
    from wrappers.attention_network import AttentionOverComponents

    network = AttentionOverComponents(np.zeros(4, np.float32), np.ones(4, np.float32), 3, AttentionHybridConfig())
    assert not network(torch.randn(6, 3), torch.randn(6, 4)).any()


def test_heads_must_share_a_token_evenly() -> None:
    with pytest.raises(ConfigError, match="embedding_size == 8, must be a multiple of heads == 3"):
        AttentionHybrid({"embedding_size": 8, "heads": 3})


def test_nothing_to_learn_from_corrects_nothing() -> None:
    made = AttentionHybrid(SMALL).fit(interactions_of([1], [1]))
    assert made._artifact().graphs == {}
    assert made.recommend([1], 1, filter_seen=False).item_index.tolist() == [[0]]


def test_a_graph_that_is_none_is_refused() -> None:
    artifact = AttentionHybrid(SMALL).fit(random_interactions())._artifact()
    with pytest.raises(DataError):
        AttentionHybrid.from_artifact(replace(artifact, graphs={"network": b"no graph"}))
