"""Training through Lightning against a bare PyTorch loop on the same tensors.

    python -m benchmarks.lightning_loop [--data ml-latest-small.zip] [--epochs 5]

Both train the GMF of ``ncf``, with either loss, from the same weights on the same batches with the same optimizer, one
thread, in turns, and end with the same weights; the bare loop does nothing else. Bar: at least 0.8x its examples
(users' ratings) a second, start-up and checkpoints of Lightning included. Without ``--data``: synthetic ratings of
ml-latest-small's size.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.lightning_loop import Batch, TrainingTask, train
from wrappers.ncf import NCFConfig
from wrappers.ncf_network import NCFTask
from wrappers.training_data import TrainingData

FLOOR = 0.8
ROUNDS = 3


class SameTensors(TrainingTask):
    """Batches made before, so that both loops are given the same and neither's time is spent on making them."""

    def __init__(self, task: TrainingTask) -> None:
        self._task = task
        self._batches = list(task.batches(0))

    def speed(self, epoch: int) -> float:
        """The task's."""
        return self._task.speed(epoch)

    def network(self) -> nn.Module:
        """The task's."""
        return self._task.network()

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Those made before."""
        return iter(self._batches)

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The task's."""
        return self._task.loss(network, batch)


def bare(task: TrainingTask, config: NCFConfig) -> nn.Module:
    """The loop that everyone writes first."""
    torch.manual_seed(config.seed)
    network = task.network()
    optimizer = task.optimizer(network, config)
    for epoch in range(config.epochs):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * task.speed(epoch)
        for batch in task.batches(epoch):
            optimizer.zero_grad()
            task.loss(network, batch).backward()
            optimizer.step()
    return network


def main() -> int:
    """Print both and the ratio; 1 if the bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--epochs", type=int, default=5)
    given = options.parse_args()
    known = TrainingData.of((LocalDataLoader(given.data) if given.data else SyntheticDataLoader()).train())
    torch.set_num_threads(1)
    held = True
    for loss in ("softmax", "bce"):
        config = NCFConfig(variant="gmf", loss=loss, epochs=given.epochs, validation_share=0)
        task = SameTensors(NCFTask(known.history, config))
        bare(task, config.model_copy(update={"epochs": 1}))
        seconds: dict[str, float] = {"bare": float("inf"), "lightning": float("inf")}
        for _ in range(ROUNDS):
            networks = {}
            for name in seconds:
                began = time.perf_counter()
                networks[name] = bare(task, config) if name == "bare" else train(task, config, name="ncf")
                seconds[name] = min(seconds[name], time.perf_counter() - began)
        same = all(
            torch.equal(ours, theirs)
            for ours, theirs in zip(*(network.state_dict().values() for network in networks.values()), strict=True)
        )
        rates = {name: known.history.nnz * given.epochs / taken for name, taken in seconds.items()}
        ratio = rates["lightning"] / rates["bare"]
        held = held and ratio >= FLOOR and same
        told = "  ".join(f"{name} {rate:10,.0f} ratings/s" for name, rate in rates.items())
        print(f"{loss:<7} {told}  ratio {ratio:.3f} (>= {FLOOR})  the same weights: {same}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
