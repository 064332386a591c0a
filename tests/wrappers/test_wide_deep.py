"""Wide & Deep: standardised inside, crossed by the paper, answered by ONNX Runtime as torch would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feature_repo.catalogue import FeatureLayout
from tests.small_interactions import grouped_loader
from wrappers.artifact import load_wrapper, read_artifact
from wrappers.onnx_scoring import TOLERANCE
from wrappers.ranker_training import TrainingRows
from wrappers.ranking_columns import column_names
from wrappers.wide_deep import WideDeep
from wrappers.wide_deep_network import WideDeep as Network
from wrappers.wide_deep_network import WideDeepTask

LAYOUT = FeatureLayout(("Drama", "War"))
NAMES = column_names(LAYOUT)


def rows_of(columns: np.ndarray[Any, Any], positive: np.ndarray[Any, Any]) -> TrainingRows:
    n_users = len(columns) // 10
    return TrainingRows(columns, positive, np.full(n_users, 10), np.zeros(1, np.float32))


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    """Liked is a candidate whose genre is the user's: no column alone tells."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(4000, len(NAMES))).astype(np.float32)
    columns = columns * rng.uniform(0.01, 200, len(NAMES)).astype(np.float32) + 2000
    lift, genre = NAMES.index("user_genre_lift War"), NAMES.index("item_has_genre War")
    # As small as shares and flags are.
    of_genre = [at for at, name in enumerate(NAMES) if name.split()[-1] in LAYOUT.genres]
    columns[:, of_genre] = rng.random((4000, len(of_genre)))
    columns[:, [lift, genre]] = rng.integers(0, 2, (4000, 2))
    columns[:, 7] = 3.5
    return rows_of(columns, columns[:, lift] == columns[:, genre])


def fitted(rows: TrainingRows, **config: Any) -> WideDeep:
    made = WideDeep(config)
    made.layout = LAYOUT
    made._learn(rows)
    return made


def test_crosses_are_learned_that_no_column_tells(rows: TrainingRows) -> None:
    # A deep part of one number cannot tell either.
    made = fitted(rows, embedding_size=1, layers=1, epochs=10, learning_rate=0.03)
    assert ((made._rank(rows.columns[np.newaxis])[0] > 0.5) == rows.positive).mean() > 0.98


def test_the_graph_answers_as_torch_does(rows: TrainingRows, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    keep = WideDeep._keep
    monkeypatch.setattr(WideDeep, "_keep", lambda self, network: (kept.append(network), keep(self, network))[1])
    made = fitted(rows, epochs=2)
    with torch.inference_mode():
        expected = kept[0](torch.from_numpy(rows.columns)).numpy()
    assert np.abs(made._rank(rows.columns[np.newaxis])[0] - expected).max() <= TOLERANCE


def test_the_wide_part_is_linear_and_crossed() -> None:
    torch.manual_seed(0)
    mean, scale = np.ones(5, np.float32), np.full(5, 2, np.float32)
    network = Network(mean, scale, ([0, 1], [3, 4]), WideDeep.Config()).eval()
    with torch.no_grad():
        network.deep[-1].weight.zero_()
        network.wide.weight.normal_()
        network.cross.normal_()
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    z = (x - 1) / 2
    crossed = np.einsum("ng,gh,nh->n", x[:, :2], network.cross.detach().numpy(), x[:, 3:])
    expected = z @ network.wide.weight[0].detach().numpy() + network.wide.bias.item() + crossed
    np.testing.assert_allclose(network.logits(torch.from_numpy(x)).detach(), expected, atol=1e-5)


def test_columns_are_standardised_and_a_constant_has_no_say(rows: TrainingRows) -> None:
    task = WideDeepTask(rows, ([], []), WideDeep.Config())
    np.testing.assert_allclose(task._mean, rows.columns.mean(axis=0, dtype=np.float64), rtol=1e-5)
    expected = rows.columns.std(axis=0, dtype=np.float64)
    expected[7] = 1
    np.testing.assert_allclose(task._scale, expected, rtol=1e-3)


def test_users_are_held_out_whole(rows: TrainingRows) -> None:
    task = WideDeepTask(rows, ([], []), WideDeep.Config(validation_share=0.1))
    by_user = task._validated.reshape(-1, 10)
    assert by_user.all(axis=1).sum() == by_user.any(axis=1).sum() == 40
    assert sum(len(columns) for columns, _ in task.batches(0)) == 3600


def test_rows_of_one_kind_teach_nothing(rows: TrainingRows) -> None:
    for positive in (np.zeros(4000, bool), np.ones(4000, bool)):
        made = fitted(rows_of(rows.columns, positive))
        assert made._rank(rows.columns[np.newaxis, :4]).tolist() == [[0.5] * 4]


def test_data_without_genres_has_nothing_to_cross() -> None:
    made = WideDeep({"epochs": 1})
    made.layout = FeatureLayout(())
    columns = np.random.default_rng(0).normal(size=(100, len(made.column_names))).astype(np.float32)
    made._learn(rows_of(columns, columns[:, 0] > 0))
    assert made._rank(columns[np.newaxis]).shape == (1, 100)


def test_ranks_better_than_chance_and_comes_back_from_its_graph(tmp_path: Path) -> None:
    loader = grouped_loader()
    made = WideDeep({"n_candidates": 20}).train(loader)
    assert made.evaluate(loader).means["ndcg_at_10"] > 0.8
    made.save(tmp_path / "saved")
    assert list(read_artifact(tmp_path / "saved").graphs) == ["network"]
    users = made.known.users.ids
    for here, there in zip(made.recommend(users), load_wrapper(tmp_path / "saved").recommend(users), strict=True):
        np.testing.assert_array_equal(here, there)
