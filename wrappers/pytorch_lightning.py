"""The base of models that are trained by PyTorch Lightning and answer without it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from scipy import sparse

from wrappers.base import ModelConfig
from wrappers.recommender import RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask


class LightningConfig(RecommenderConfig):
    """How a network is trained. Subclasses set other defaults and add what is theirs."""

    embedding_size: int = Field(32, ge=1)
    """Numbers that describe a user, and an item."""
    epochs: int = Field(30, ge=1)
    """Passes over the training ratings at most."""
    patience: int = Field(3, ge=1)
    """Epochs without a better validation score after which training ends; the best epoch's weights are kept."""
    batch_size: int = Field(1024, ge=1)
    """Examples of one step."""
    learning_rate: float = Field(0.005, gt=0)
    """Step length of Adam."""
    reg: float = Field(0.0, ge=0)
    """Weight decay, applied by each step apart from the gradient (Loshchilov & Hutter 2019): more smooths more."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Of the weights to begin with, of the order of examples, of negatives and of what is held out to validate."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to train: "gpu" is CUDA; "auto" takes it where there is one. Answers come from the processor."""
    threads: int = Field(1, ge=1)
    """Processor cores to train on. The same number gives the same bytes; another may round differently. More help
    where they are idle, and slow training down many times where they are not: they wait for each other."""


class PytorchLightningWrapper(RecommenderWrapper):
    """Trains a network, keeps what answers need, and drops the network. Subclasses write ``_task`` and ``_keep``.

    A subclass that learns from who rated what alone needs no ``_fit``; one that learns from more, or ranks as
    ``RankerWrapper`` does, calls ``_train_on`` with whatever its ``_task`` takes. Training is told to MLflow where
    there is a run (``tracking.lightning``).

    What answers are computed from is kept as arrays or as an ONNX graph (``wrappers.onnx_scoring``), also right after
    training: a model answers the same before it is saved and after it is loaded, and a loaded one imports no torch.
    """

    Config: ClassVar[type[ModelConfig]] = LightningConfig

    @abstractmethod
    def _task(self, data: Any) -> TrainingTask:
        """What to train, on what. Imports torch when called: modules of networks stay out of a loaded model."""

    @abstractmethod
    def _keep(self, network: nn.Module) -> None:
        """Take from the trained network, on the processor and in evaluation mode, what ``score`` and ``state`` need."""

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        self._train_on(history)

    def _train_on(self, data: Any) -> None:
        """Train ``_task(data)`` and keep the best epoch's network."""
        from wrappers.lightning_loop import accelerator, train

        # Refused before the task is prepared, which may take long.
        accelerator(self.config, name=self.name)
        self._keep(train(self._task(data), self.config, name=self.name))
