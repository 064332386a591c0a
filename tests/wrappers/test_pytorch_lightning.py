"""The Lightning loop: the same bytes by seed, the best epoch's weights, silence, and torch left as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import ConfigError
from core.interactions import Interactions
from tests.small_interactions import random_interactions
from wrappers import lightning_loop
from wrappers.lightning_loop import Batch, TrainingTask, train
from wrappers.ncf import NCF
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.training_data import TrainingData


class Line(TrainingTask):
    """Fits y = 2 x; a score may be given for each epoch instead of a real one."""

    def __init__(self, scores: list[float] | None = None) -> None:
        self.scores = scores
        self.weights: list[float] = []
        self.epochs: list[int] = []

    def network(self) -> nn.Module:
        return nn.Linear(1, 1)

    def batches(self, epoch: int) -> Iterator[Batch]:
        self.epochs.append(epoch)
        rng = np.random.default_rng(epoch)
        for _ in range(4):
            x = torch.from_numpy(rng.normal(size=(8, 1)).astype(np.float32))
            yield x, 2 * x

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(network(x), y)

    def validation_score(self, network: nn.Module) -> float | None:
        assert not network.training
        assert not torch.is_grad_enabled()
        self.weights.append(float(network.weight))
        return None if self.scores is None else self.scores[len(self.weights) - 1]


class FarTooFast(Line):
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().loss(network, batch) * float("nan")


class Interrupted(Line):
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        raise KeyboardInterrupt


def config(**given: object) -> LightningConfig:
    return LightningConfig.model_validate({"epochs": 6, "learning_rate": 0.1, **given})


def test_it_learns() -> None:
    network = train(Line(), config(epochs=40), name="line")
    assert abs(float(network.weight) - 2) < 0.05
    assert not network.training
    assert not network.weight.requires_grad


def test_the_best_epoch_is_kept_and_patience_ends_the_rest() -> None:
    task = Line([0.1, 0.5, 0.3, 0.5, 0.2, 0.9])
    network = train(task, config(patience=3), name="line")
    # An equal is no better: three epochs after the second it is over, and the sixth is never seen.
    assert task.epochs == [0, 1, 2, 3, 4]
    assert float(network.weight) == task.weights[1]


def test_without_a_score_every_epoch_is_run_and_the_last_is_kept() -> None:
    task = Line()
    network = train(task, config(patience=1), name="line")
    assert task.epochs == [0, 1, 2, 3, 4, 5]
    assert float(network.weight) == task.weights[-1]


def test_the_seed_decides_and_what_torch_drew_before_does_not() -> None:
    found = []
    for seed in (0, 0, 1):
        torch.rand(3)
        found.append(float(train(Line(), config(epochs=1, seed=seed), name="line").weight))
    assert found[0] == found[1] != found[2]


def test_torch_and_signals_are_as_before() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2).tolist()
    torch.manual_seed(5)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), signal.getsignal(signal.SIGINT))
    train(Line(), config(epochs=1, threads=1), name="line")
    assert torch.rand(2).tolist() == expected
    after = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), signal.getsignal(signal.SIGINT))
    assert after == before
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_nothing_is_printed_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train(Line(), config(), name="line")
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_a_long_training_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lightning_loop, "_SECONDS_BETWEEN_REPORTS", -1.0)
    train(Line([0.1, 0.2]), config(epochs=2), name="line")
    # Whoever runs steps in this process may have indented what it prints.
    first, second = (line.strip() for line in capsys.readouterr().out.splitlines())
    assert first.startswith("[progress] epochs 1/2 epochs of line: train_loss ")
    assert second.endswith("validation_score 0.2000")


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"line: the loss is not finite in epoch 1; lower learning_rate == 0.1"):
        train(FarTooFast(), config(), name="line")


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(ConfigError, match="line: the validation score is not finite in epoch 2; lower learning_rate"):
        train(Line([0.1, score]), config(epochs=2), name="line")


def test_another_process_gives_the_same_bits(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from tests.small_interactions import random_interactions; "
        "from wrappers.ncf import NCF; "
        "np.savez(sys.argv[1], **NCF({'epochs': 2}).fit(random_interactions()).state())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there.npz")], check=True, env=environment)
    there = np.load(tmp_path / "there.npz")
    for name, array in NCF({"epochs": 2}).fit(random_interactions()).state().items():
        np.testing.assert_array_equal(array, there[name])


@pytest.mark.parametrize("name", ["two_tower", "deep_content"])
def test_data_without_genres_train_in_silence(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    from wrappers.registry import model

    bare = Interactions(random_interactions().ratings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(name)({"epochs": 1}).fit(bare)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["ncf", "two_tower"])
def test_decay_is_an_epochs_in_however_many_steps(name: str) -> None:
    from wrappers.registry import model

    half = {"variant": "gmf"} if name == "ncf" else {}
    for batch_size in (3, 8, 1000):
        made = model(name)({"batch_size": batch_size, "reg": 2.0, **half})
        assert isinstance(made, PytorchLightningWrapper)
        made.known = TrainingData.of(random_interactions(60, 30))
        task = made._task(made.known.history)
        steps = len(list(task.batches(0)))
        (group,) = task.optimizer(task.network(), made.config).param_groups
        assert group["weight_decay"] * steps == pytest.approx(2.0)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="ncf: accelerator == 'gpu', but torch sees none here; take 'auto' or 'cpu'"):
        NCF({"accelerator": "gpu"}).fit(random_interactions())


def test_an_accelerator_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="ncf: accelerator == 'tpu': input should be 'auto', 'cpu' or 'gpu'"):
        NCF({"accelerator": "tpu"})


def test_an_interrupt_stays_one() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(), config(), name="line")
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize(("name", "runtime"), [("ncf", False), ("two_tower", False), ("wide_deep", True)])
def test_a_loaded_model_answers_without_torch(name: str, runtime: bool, tmp_path: Path) -> None:
    from wrappers.registry import model

    model(name)({"epochs": 1}).fit(random_interactions()).save(tmp_path / "saved")
    program = (
        "import sys; from wrappers.artifact import load_wrapper; "
        f"print(len(load_wrapper({str(tmp_path / 'saved')!r}).predict([{{'user_id': 1, 'k': 3}}])[0]['items'])); "
        "print([name in sys.modules for name in ('torch', 'pytorch_lightning', 'mlflow', 'onnx', 'onnxruntime')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["3", str([False, False, False, False, runtime])]
