"""A weighted sum of other recommenders' scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import ConfigError
from core.interactions import Interactions
from wrappers.base import ModelConfig
from wrappers.composite import CompositeConfig, CompositeWrapper
from wrappers.ensemble_selection import selected_weights
from wrappers.out_of_fold import StackRows
from wrappers.recommender import Arrays
from wrappers.search_space import Choices


class EnsembleConfig(CompositeConfig):
    """Hyperparameters, by trials inside ml-latest-small's training part. The grid in benchmarks/model_defaults.py
    was not run to its end.
    """

    weights: dict[str, float] = Field(default_factory=dict)
    """Component to its weight, none negative, not all 0; components that are not named get 0. Empty: learned."""
    k: int = Field(10, ge=1, le=1000)
    """Weights are learned for lists of this length."""
    steps: int = Field(30, ge=0, le=1000)
    """Steps of the search for weights."""


class Ensemble(CompositeWrapper):
    """Adds up the components' scores, each in standard deviations of its own scores for the user.

        score(u, i) = sum over components c of weight_c (s_c(u, i) - mean_c(u)) / deviation_c(u)

    Weights are given, or learned by ensemble selection (``wrappers.ensemble_selection``) on ratings that the components
    did not see.
    """

    name = "ensemble"
    search_space = {"hold_out": Choices(("random", "latest"))}
    Config = EnsembleConfig

    _weights: npt.NDArray[np.float32]

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        super().__init__(config)
        self._check_weights()

    @property
    def weights(self) -> dict[str, float]:
        """Component to its weight; they sum to 1."""
        return dict(zip(self.component_names, self._weights.tolist(), strict=True))

    def _fit_details(self, interactions: Interactions) -> None:
        if not self.config.weights:
            super()._fit_details(interactions)
            return
        self._check_weights()
        given = np.array([self.config.weights.get(name, 0.0) for name in self.component_names])
        self._weights = (given / given.sum()).astype(np.float32)
        self._fit_components(interactions)

    def _learn(self, rows: StackRows) -> None:
        self._weights = selected_weights(rows, k=self.config.k, steps=self.config.steps).astype(np.float32)

    def _combined(
        self, user_index: npt.NDArray[np.int64], standard: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        return weighted_sum(self._weights, standard)

    def _component_weights(self, user_index: int) -> dict[str, float]:
        return self.weights

    def state(self) -> Arrays:
        """``weights`` (n_components,)."""
        return {"weights": self._weights}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the weights."""
        expected = (len(self.component_names),)
        if state["weights"].shape != expected:
            raise ValueError(f"weights has shape {state['weights'].shape}, must have {expected}")
        self._weights = state["weights"]

    def _check_weights(self) -> None:
        weights = self.config.weights
        unknown = [name for name in weights if name not in self.config.components]
        if unknown:
            known = ", ".join(self.config.components)
            raise ConfigError(f"{self.name}: weights names {unknown[0]!r}, must be one of its components: {known}")
        if weights and (min(weights.values()) < 0 or sum(weights.values()) <= 0):
            raise ConfigError(f"{self.name}: weights == {weights}, must be 0 or more each, and not all 0")


def weighted_sum(
    weights: npt.NDArray[np.float32], standard: npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Float32 sum of arrays of one shape by (n_components,) weights, one after the other: the same for any rows."""
    total = np.zeros(standard[0].shape, np.float32)
    for weight, scores in zip(weights, standard, strict=True):
        if weight:
            total += weight * scores
    return total
