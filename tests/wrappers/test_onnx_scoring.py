"""ONNX graphs: torch's answers, the same bytes, the same bits in any batch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from core.errors import DataError
from wrappers import onnx_scoring
from wrappers.onnx_scoring import TOLERANCE, OnnxNetwork, exported


class Small(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("mean", torch.randn(70, generator=generator))
        self.layers = nn.Sequential(nn.Linear(70, 32), nn.ReLU(), nn.Linear(32, 1))
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)

    def forward(self, columns: Tensor) -> Tensor:
        return torch.sigmoid(self.layers(columns - self.mean))[:, 0]


EXAMPLE = {"columns": torch.zeros(2, 70)}


@pytest.fixture(scope="module")
def columns() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(501, 70)).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_answers_are_those_of_torch(seed: int, columns: np.ndarray) -> None:
    network = Small(seed).eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(columns)).numpy()
    found = OnnxNetwork(exported(network, EXAMPLE)).run(columns=columns)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= TOLERANCE


def test_the_same_network_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = exported(Small(), EXAMPLE)
    assert exported(Small(), EXAMPLE) == first != exported(Small(1), EXAMPLE)
    # Traced anew, not filled into the graph of before.
    monkeypatch.setattr(onnx_scoring, "_GRAPHS", {})
    assert exported(Small(), EXAMPLE) == first


def test_no_file_names_of_the_machine_are_in_it() -> None:
    graph = exported(Small(), EXAMPLE)
    assert b".py" not in graph
    onnx.checker.check_model(onnx.ModelProto.FromString(graph), full_check=True)


def test_a_row_does_not_depend_on_the_others(columns: np.ndarray) -> None:
    network = OnnxNetwork(exported(Small(), EXAMPLE))
    together = network.run(columns=columns)
    for size in (1, 2, 3, 7, 16, 100, 499):
        parts = [network.run(columns=columns[start : start + size]) for start in range(0, len(columns), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


def test_no_rows_are_no_answers() -> None:
    assert OnnxNetwork(exported(Small(), EXAMPLE)).run(columns=np.empty((0, 70), np.float32)).shape == (0,)


def test_a_graph_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    exported(Small(), EXAMPLE)
    (architecture,) = [key for key in onnx_scoring._GRAPHS if key[0].endswith("Small")]
    monkeypatch.setattr(onnx_scoring, "_with_weights", lambda graph, weights: graph)
    monkeypatch.setitem(onnx_scoring._GRAPHS, architecture, exported(Small(), EXAMPLE))
    with pytest.raises(ValueError, match=r"the ONNX graph of Small is .* off torch's answers"):
        exported(Small(1), {"columns": torch.ones(2, 70)})


@pytest.mark.parametrize("graph", [b"no graph", b""])
def test_what_is_no_graph_is_refused(graph: bytes) -> None:
    with pytest.raises(DataError, match=r"the network cannot be read .* train the model again"):
        OnnxNetwork(graph)
