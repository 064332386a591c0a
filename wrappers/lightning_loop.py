"""One training by PyTorch Lightning: seeded, quiet, stopped early, the best epoch's weights at its end.

Imports torch and Lightning: only modules of networks import it, and ``PytorchLightningWrapper`` when it trains.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn

from core.errors import ConfigError
from core.progress import report
from tracking.lightning import run_logger
from wrappers.pytorch_lightning import LightningConfig

Batch = tuple[Tensor, ...]

#: By which MLflow's checkpoint is chosen: the validation score, or the epoch's number where there is none.
_MONITOR = "monitor"
_SECONDS_BETWEEN_REPORTS = 5.0


class TrainingTask(ABC):
    """What to train, on what batches, by which loss, and how an epoch is judged. Made for one training."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The network to begin with; torch is seeded when this is called."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[Batch]:
        """Tuples of tensors in the processor's memory, already shuffled; the same for the same epoch, from 0."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """() float32 mean loss of a batch; batch and network are on the same device."""

    def optimizer(self, network: nn.Module, config: LightningConfig) -> torch.optim.Optimizer:
        """What moves the weights: AdamW as the config says."""
        # Fused: one pass over the weights a step, where most of a small network's time goes.
        decay = config.reg * self.share_of_decay()
        return torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=decay, fused=True)

    def share_of_decay(self) -> float:
        """Share of ``reg`` that a step applies."""
        return 1.0

    def speed(self, epoch: int) -> float:
        """Share of the learning rate that an epoch, from 0, is run at."""
        return 1.0

    def validation_score(self, network: nn.Module) -> float | None:
        """How good the network is on what was held out, larger is better, e.g. NDCG or minus a loss.

        Called after each epoch, without gradients and in evaluation mode, for the network where it was trained. None
        where nothing is held out: then every epoch is run, and the last one's weights are kept.
        """
        return None


def train(task: TrainingTask, config: LightningConfig, *, name: str) -> nn.Module:
    """Train the task's network.

    The same task, config and ``threads`` give the same weights. Torch's random state, threads and determinism are as
    before when it returns. Logs to the MLflow run that is open, if one is: hyperparameters, the mean loss and the
    validation score of each epoch, and the checkpoint kept.

    Args:
        task: What to train.
        config: How; see :class:`LightningConfig`.
        name: The model's, for messages and as a prefix in MLflow.

    Returns:
        The network with the best epoch's weights, in evaluation mode and the processor's memory.

    Raises:
        ConfigError: The accelerator is not there, or the loss or the validation score is not finite.
        TrackingError: MLflow refused.
    """
    where = accelerator(config, name=name)
    with _torch_as_before(config), _quiet(), TemporaryDirectory() as scratch:
        module = _Module(task.network(), task, config, name)
        logger = run_logger(name)
        trainer = Trainer(
            accelerator=where,
            devices=1,
            max_epochs=config.epochs,
            logger=logger or False,
            callbacks=[_checkpoint(scratch, name)] if logger else [],
            enable_checkpointing=logger is not None,
            default_root_dir=scratch,
            enable_progress_bar=False,
            enable_model_summary=False,
            # Losses are logged once an epoch, by the module.
            log_every_n_steps=2**62,
        )
        _fit(trainer, module, _Epochs(task, trainer))
    module.network.load_state_dict(module.best)
    return module.network.cpu().eval().requires_grad_(False)


def accelerator(config: LightningConfig, *, name: str) -> str:
    """Where to train, as Lightning calls it: "gpu" or "cpu".

    Raises:
        ConfigError: A GPU is asked for, and torch sees none.
    """
    there = torch.cuda.is_available()
    if config.accelerator == "gpu" and not there:
        raise ConfigError(f"{name}: accelerator == 'gpu', but torch sees none here; take 'auto' or 'cpu'")
    return "gpu" if there and config.accelerator != "cpu" else "cpu"


class _Epochs:
    """The task's batches of the epoch that the trainer is in."""

    def __init__(self, task: TrainingTask, trainer: Trainer) -> None:
        self._task, self._trainer = task, trainer

    def __iter__(self) -> Iterator[Batch]:
        # Not counted: Lightning asks more often than there are epochs.
        return iter(self._task.batches(self._trainer.current_epoch))


class _Module(LightningModule):
    """What Lightning asks of a network."""

    def __init__(self, network: nn.Module, task: TrainingTask, config: LightningConfig, name: str) -> None:
        super().__init__()
        self.network = network
        self._task, self._config, self._name = task, config, name
        self._reported = time.monotonic()
        self._best_score, self._best_epoch = -math.inf, 0
        self.best: dict[str, Tensor] = {}
        self.save_hyperparameters(config.model_dump(mode="json"))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._task.optimizer(self.network, self._config)

    def on_train_epoch_start(self) -> None:
        self._total, self._steps = torch.zeros((), device=self.device), 0
        for group in self.optimizers(use_pl_optimizer=False).param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * self._task.speed(self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        loss = self._task.loss(self.network, batch)
        # Summed here: Lightning's own logging would cost as much as a step of a small network.
        self._total += loss.detach()
        self._steps += 1
        return loss

    def on_train_epoch_end(self) -> None:
        epoch, loss = self.current_epoch, float(self._total) / max(self._steps, 1)
        if not math.isfinite(loss):
            raise ConfigError(
                f"{self._name}: the loss is not finite in epoch {epoch + 1}; lower "
                f"learning_rate == {self._config.learning_rate}"
            )
        score = self._validation_score()
        if not math.isfinite(score or 0.0):
            raise ConfigError(
                f"{self._name}: the validation score is not finite in epoch {epoch + 1}; lower "
                f"learning_rate == {self._config.learning_rate}"
            )
        self._compare(epoch, score)
        figures = {"train_loss": loss} if score is None else {"train_loss": loss, "validation_score": score}
        if self.logger is not None:
            # Lightning takes "step" for the place on the metric's axis: epochs, here.
            self.log_dict({**figures, "step": float(epoch)})
            self.log(_MONITOR, float(epoch) if score is None else score, logger=False)
        self._report(epoch, ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))

    def _compare(self, epoch: int, score: float | None) -> None:
        """Keep the weights where they are the best so far, and end where they have not been for long."""
        if score is None or score > self._best_score:
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}
            self._best_score, self._best_epoch = -math.inf if score is None else score, epoch
        elif epoch - self._best_epoch >= self._config.patience:
            self.trainer.should_stop = True

    def _validation_score(self) -> float | None:
        self.network.eval()
        with torch.no_grad():
            score = self._task.validation_score(self.network)
        self.network.train()
        return score

    def _report(self, epoch: int, text: str) -> None:
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            report("epochs", epoch + 1, self._config.epochs, f"epochs of {self._name}: {text}")


def _checkpoint(folder: str, name: str) -> Callback:
    """Writes the best epoch's weights; its file is for MLflow alone."""
    return ModelCheckpoint(
        dirpath=folder,
        filename=f"{name}-checkpoint",
        monitor=_MONITOR,
        mode="max",
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _fit(trainer: Trainer, module: LightningModule, batches: Iterable[Batch]) -> None:
    """Train; Ctrl-C stays what it is: Lightning would make it an exit, and ignore the next one."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, batches)
    except SystemExit as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise stopped.__context__ from None
        raise
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _torch_as_before(config: LightningConfig) -> Iterator[None]:
    """Seeded, deterministic and on its share of the processor; afterwards as it was for others in this process."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng():
        try:
            torch.manual_seed(config.seed)
            torch.set_num_threads(config.threads)
            torch.use_deterministic_algorithms(True)
            # Only for finding reads of what was never written; costs a pass over every new tensor.
            torch.utils.deterministic.fill_uninitialized_memory = False
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filling


@contextmanager
def _quiet() -> Iterator[None]:
    """Without remarks: Lightning's on accelerators, tips and data loaders, torch's on layers of no columns."""
    names = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning(_fabric)?\..*")
        # Data without genres, years or tags are no fault of the user's.
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
