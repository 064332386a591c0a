"""Wide & Deep (Cheng et al. 2016): a linear model with crossed columns and a network, trained together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wrappers.artifact import Artifact
from wrappers.onnx_scoring import OnnxNetwork, exported
from wrappers.pytorch_lightning import LightningConfig, PytorchLightningWrapper
from wrappers.ranker import RankerConfig, RankerWrapper
from wrappers.search_space import Choices, Numbers

if TYPE_CHECKING:
    from torch import nn

    from wrappers.lightning_loop import TrainingTask
    from wrappers.ranker_training import TrainingRows


class WideDeepConfig(LightningConfig, RankerConfig):
    """Hyperparameters of Wide & Deep, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    embedding_size: int = Field(8, ge=1)
    """Width of the deep part's first layer; each further has half."""
    layers: int = Field(1, ge=1, le=8)
    """Hidden layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of a hidden layer's numbers that are left out at random in training."""
    epochs: int = Field(40, ge=1)
    """Passes over the candidates at most."""
    patience: int = Field(5, ge=1)
    """Epochs without a better validation score after which training ends; the best epoch's weights are kept."""
    batch_size: int = Field(1024, ge=1)
    """Candidates of one step at most; there are at least five steps in an epoch."""
    learning_rate: float = Field(0.003, gt=0)
    """Step length of Adam."""
    reg: float = Field(0.01, ge=0)
    """Weight decay, applied by each step apart from the gradient (Loshchilov & Hutter 2019): more smooths more."""
    validation_share: float = Field(0.1, ge=0, lt=1)
    """Share of the users whose candidates are held out to choose the epoch; 0 runs all epochs."""


class WideDeep(PytorchLightningWrapper, RankerWrapper):
    """Ranks candidates by the probability that the user likes them: what is memorised and what generalises, added up.

    With x the columns and z the same standardised by their mean and standard deviation among the training rows (eq. 3
    of the paper):

        P(liked) = 1 / (1 + exp(-(w' z + sum over g, h of c_gh x_g x_h + deep(z) + intercept)))

    where g runs over the user's genre columns and h over the item's: the crossed columns. Answers come from ONNX
    Runtime, faster than torch and as fast as numpy (benchmarks/deep_serving.py).
    """

    name = "wide_deep"
    gives_probabilities = True
    Config = WideDeepConfig
    packages = ("onnxruntime",)
    search_space = {
        "embedding_size": Choices((4, 8, 16, 32)),
        "learning_rate": Numbers(0.001, 0.02, log=True),
        "reg": Numbers(0.001, 0.3, log=True),
        "n_candidates": Numbers(50, 500, log=True, whole=True),
        "liked_rating": Choices((0.5, 4.0)),
        "retriever_config.reg": Numbers(30, 1000, log=True),
    }

    #: None where there was nothing to learn.
    _graph: bytes | None
    _network: OnnxNetwork

    def _learn(self, rows: TrainingRows) -> None:
        self._graph = None
        if rows.tell_apart:
            self._train_on(rows)

    def _task(self, data: TrainingRows) -> TrainingTask:
        from wrappers.wide_deep_network import WideDeepTask

        names = self.column_names
        of_user = [at for at, name in enumerate(names) if name.startswith(("user_genre_share ", "user_genre_lift "))]
        of_item = [at for at, name in enumerate(names) if name.startswith("item_has_genre ")]
        return WideDeepTask(data, (of_user, of_item), self.config)

    def _keep(self, network: nn.Module) -> None:
        import torch

        self._graph = exported(network, {"columns": torch.zeros(2, len(self.column_names))})
        self._network = OnnxNetwork(self._graph)

    def _rank(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        n, c, n_columns = columns.shape
        if self._graph is None:
            return np.full((n, c), 0.5, np.float32)
        return self._network.run(columns=columns.reshape(n * c, n_columns)).reshape(n, c)

    def _artifact(self) -> Artifact:
        made = super()._artifact()
        return made if self._graph is None else replace(made, graphs={"network": self._graph})

    def _take_back(self, artifact: Artifact) -> None:
        super()._take_back(artifact)
        self._graph = artifact.graphs.get("network")
        if self._graph is not None:
            self._network = OnnxNetwork(self._graph)
