"""A stack whose meta-learner attends to its components: which of them to believe, for this user and this item."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import ConfigError
from wrappers.artifact import Artifact
from wrappers.onnx_scoring import OnnxNetwork, exported
from wrappers.out_of_fold import StackRows
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.search_space import Choices, Numbers
from wrappers.stack_context import CONTEXT_COLUMNS
from wrappers.stacked import StackedConfig, StackedWrapper

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask


class AttentionHybridConfig(LightningConfig, StackedConfig):
    """Hyperparameters, by trials inside ml-latest-small's training part. No grid of them was run."""

    embedding_size: int = Field(16, ge=1)
    """Numbers of a token; a multiple of ``heads``."""
    heads: int = Field(2, ge=1)
    """Attentions side by side."""
    epochs: int = Field(15, ge=1)
    """Passes over the lists at most."""
    batch_size: int = Field(32, ge=1)
    """Lists of one step."""
    learning_rate: float = Field(0.003, gt=0)
    """Step length of Adam."""
    reg: float = Field(0.01, ge=0)
    """Weight decay, applied by each step apart from the gradient (Loshchilov & Hutter 2019): more smooths more."""
    validation_share: float = Field(0.1, ge=0, lt=1)
    """Share of the users whose lists are held out to choose the epoch; 0 runs all epochs."""


class _Lists(NamedTuple):
    rows: StackRows
    odds: npt.NDArray[np.float32]


class AttentionHybrid(PytorchLightningWrapper, StackedWrapper):
    """Corrects an ensemble (``wrappers.stacked``) by multi-head attention over its components' scores.

    The components' scores of an item are tokens, the context asks them (``wrappers.attention_network``), and learns
    from out-of-fold lists which to believe when. A score orders one user's items. Answers come from ONNX Runtime.
    """

    name = "attention_hybrid"
    packages = ("onnxruntime", "scikit-learn")
    search_space = {
        "hold_out": Choices(("random", "latest")),
        "embedding_size": Choices((8, 16, 32)),
        "learning_rate": Numbers(0.0005, 0.02, log=True),
    }
    Config = AttentionHybridConfig

    #: None where there was nothing to learn.
    _graph: bytes | None
    _network: OnnxNetwork

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._check_heads()

    def _learn_corrections(self, rows: StackRows, odds: npt.NDArray[np.float32]) -> None:
        self._check_heads()
        self._graph = None
        if rows.tell_apart:
            self._train_on(_Lists(rows, odds))

    def _task(self, data: _Lists) -> TrainingTask:
        from wrappers.attention_network import AttentionTask

        return AttentionTask(data.rows, data.odds, self.config)

    def _keep(self, network: nn.Module) -> None:
        import torch

        widths = {"standard": len(self.component_names), "context": len(CONTEXT_COLUMNS)}
        self._graph = exported(network, {name: torch.zeros(2, width) for name, width in widths.items()})
        self._network = OnnxNetwork(self._graph)

    def _corrections(
        self, standard: npt.NDArray[np.float32], blend: npt.NDArray[np.float32], context: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        if self._graph is None:
            return np.zeros(blend.shape, np.float32)
        n, c = blend.shape
        flat = {"standard": standard.reshape(n * c, -1), "context": context.reshape(n * c, -1)}
        return self._network.run(**flat).reshape(n, c)

    def _artifact(self) -> Artifact:
        made = super()._artifact()
        return made if self._graph is None else replace(made, graphs={"network": self._graph})

    def _take_back(self, artifact: Artifact) -> None:
        super()._take_back(artifact)
        self._graph = artifact.graphs.get("network")
        if self._graph is not None:
            self._network = OnnxNetwork(self._graph)

    def _check_heads(self) -> None:
        size, heads = self.config.embedding_size, self.config.heads
        if size % heads:
            raise ConfigError(f"{self.name}: embedding_size == {size}, must be a multiple of heads == {heads}")
