"""What answers a request to the deep models: torch, ONNX Runtime or numpy, one user's scores in one run.

    python -m benchmarks.deep_serving [--users 610] [--items 9724] [--rounds 200]

Networks of the default sizes with random weights, one thread each, in turns; medians. Printed are also how far apart
the answers are (bar: 1e-5 between torch and what we serve by, of scores of size 1) and what importing each engine
costs a server. ncf is served by numpy, wide_deep by ONNX Runtime, two_tower by numpy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from wrappers.ncf import NCF
from wrappers.ncf_network import NeuMF, served_arrays
from wrappers.onnx_scoring import TOLERANCE, OnnxNetwork, exported
from wrappers.wide_deep import WideDeepConfig
from wrappers.wide_deep_network import WideDeep

Answer = Callable[[], Any]

N_COLUMNS, N_CANDIDATES = 118, 200


class Products(nn.Module):
    """What two_tower's scores are."""

    def forward(self, user: Tensor, items: Tensor) -> Tensor:
        """(n, 1) products of (n, d) and (n, d)."""
        return (items * user).sum(dim=1)


def ncf_engines(n_users: int, n_items: int) -> dict[str, Answer]:
    """One user's scores of all items by NeuMF."""
    made = NCF()
    network = NeuMF(n_users, n_items, made.config).eval().requires_grad_(False)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.1)
    made._learned = learned = served_arrays(network)
    user, item = network.user_part(torch.arange(n_users)), network.item_part(torch.arange(n_items))

    class ByItem(nn.Module):
        """Rows are items, so that their number may vary; the user is one row."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.output = network.hidden, network.output

        def forward(self, gmf: Tensor, mlp: Tensor, bias: Tensor) -> Tensor:
            layer = torch.relu(mlp)
            for linear in self.hidden:
                layer = torch.relu(linear(layer))
            return gmf + self.output(layer)[:, 0] + bias

    graph = OnnxNetwork(
        exported(
            ByItem().eval(),
            {"gmf": torch.zeros(2), "mlp": torch.zeros(2, learned["mlp_item"].shape[1]), "bias": torch.zeros(2)},
        )
    )

    def by_onnx() -> Any:
        gmf = learned["gmf_item"] @ learned["gmf_user"][7]
        return graph.run(gmf=gmf, mlp=learned["mlp_user"][7] + learned["mlp_item"], bias=learned["item_bias"])

    made.known = _Known(n_items)  # type: ignore[assignment]
    return {
        "torch": lambda: network(user[7:8], item)[0].numpy(),
        "onnx": by_onnx,
        "numpy": lambda: made.score(np.array([7]))[0],
    }


class _Known:
    """As much of the training data as scoring asks for."""

    def __init__(self, n_items: int) -> None:
        self.items = range(n_items)


def wide_deep_engines(rng: np.random.Generator) -> dict[str, Answer]:
    """One user's candidates by Wide & Deep."""
    mean, scale = rng.normal(size=(2, N_COLUMNS)).astype(np.float32)
    genres = list(range(40)), list(range(60, 80))
    network = WideDeep(mean, np.abs(scale) + 1, genres, WideDeepConfig()).eval().requires_grad_(False)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.1)
    columns = rng.normal(size=(N_CANDIDATES, N_COLUMNS)).astype(np.float32)
    graph = OnnxNetwork(exported(network, {"columns": torch.zeros(2, N_COLUMNS)}))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    config = WideDeepConfig()
    hidden = [
        (weights[f"deep.{at}.weight"].T.copy(), weights[f"deep.{at}.bias"]) for at in range(0, 3 * config.layers, 3)
    ]
    wide, output = weights["wide.weight"][0], weights[f"deep.{3 * config.layers}.weight"][0]

    def by_numpy() -> Any:
        z = np.clip((columns - weights["mean"]) / weights["scale"], -8, 8)
        crossed = (columns[:, genres[0]] @ weights["cross"] * columns[:, genres[1]]).sum(axis=1)
        odds = z @ wide + weights["wide.bias"] + crossed
        for weight, bias in hidden:
            z = np.maximum(z @ weight + bias, 0)
        return 1 / (1 + np.exp(-(odds + z @ output)))

    tensor = torch.from_numpy(columns)
    return {
        "torch": lambda: network(tensor).numpy(),
        "onnx": lambda: graph.run(columns=columns),
        "numpy": by_numpy,
    }


def two_tower_engines(rng: np.random.Generator, n_items: int, size: int = 65) -> dict[str, Answer]:
    """One user's scores of all items as products."""
    user, items = (
        rng.normal(size=(1, size)).astype(np.float32) / np.float32(size),
        rng.normal(size=(n_items, size)).astype(np.float32),
    )
    user_tensor, item_tensor = torch.from_numpy(user), torch.from_numpy(items)
    repeated = np.repeat(user, n_items, axis=0)
    graph = OnnxNetwork(exported(Products().eval(), {"user": torch.zeros(2, size), "items": torch.zeros(2, size)}))
    return {
        "torch": lambda: (user_tensor @ item_tensor.T)[0].numpy(),
        "onnx": lambda: graph.run(user=repeated, items=items),
        "numpy": lambda: (user[:, np.newaxis] @ items.T)[0, 0],
    }


def milliseconds(engines: dict[str, Answer], rounds: int) -> dict[str, float]:
    """Median of each, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, answer in engines.items():
            began = time.perf_counter()
            answer()
            taken[name].append((time.perf_counter() - began) * 1e3)
    return {name: median(times) for name, times in taken.items()}


def import_cost(module: str) -> str:
    """Seconds and resident megabytes of importing a module beside numpy."""
    program = (
        "import time, psutil, numpy; process = psutil.Process(); "
        "began, before = time.perf_counter(), process.memory_info().rss; "
        f"import {module}; "
        "print(f'{time.perf_counter() - began:.2f} s {(process.memory_info().rss - before) / 1e6:.0f} MB')"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Print latencies and differences; 1 if answers are too far apart."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=610)
    options.add_argument("--items", type=int, default=9724)
    options.add_argument("--rounds", type=int, default=200)
    given = options.parse_args()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    served = {"ncf": "numpy", "wide_deep": "onnx", "two_tower": "numpy"}
    held = True
    with threadpool_limits(1, "blas"), torch.inference_mode():
        models = {
            "ncf": ncf_engines(given.users, given.items),
            "wide_deep": wide_deep_engines(rng),
            "two_tower": two_tower_engines(rng, given.items),
        }
        for name, engines in models.items():
            times = milliseconds(engines, given.rounds)
            apart = float(np.abs(engines[served[name]]() - engines["torch"]()).max())
            held = held and apart <= TOLERANCE
            told = "  ".join(f"{engine} {time_ms:.3f} ms" for engine, time_ms in times.items())
            print(f"{name:<10} {told}  served by {served[name]}, {apart:.1e} off torch (<= {TOLERANCE})", flush=True)
    for module in ("torch", "onnxruntime"):
        print(f"import {module}: {import_cost(module)}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
