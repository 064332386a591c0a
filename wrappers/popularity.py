"""The baseline everything must beat: what most people rated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig


class PopularityConfig(RecommenderConfig):
    """Popularity has no hyperparameters."""


class Popularity(RecommenderWrapper):
    """Ranks items by their number of training ratings; the same order for everyone, less what each has seen."""

    name = "popularity"
    Config = PopularityConfig
    personalised = False

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        """Nothing to learn: the base counts already, for cold users."""

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 number of training users of each item. See :meth:`RecommenderWrapper.score`."""
        return np.tile(self.known.popularity, (len(user_index), 1))

    def state(self) -> Arrays:
        """Empty: the counts follow from the training data."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to take back."""
