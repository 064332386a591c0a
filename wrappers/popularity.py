"""The baseline everything must beat: what most people rated, or rate of late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy import sparse

from core.errors import ConfigError
from core.interactions import Interactions, to_csr
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig

_DAY = 86_400


class PopularityConfig(RecommenderConfig):
    """Popularity's hyperparameter, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    half_life_days: float = Field(0.0, ge=0)
    """Days after which a rating counts half; 0: ratings never age."""


class Popularity(RecommenderWrapper):
    """Ranks items by their number of training ratings; the same order for everyone, less what each has seen.

    With a half-life a rating of age a, counted back from the latest training rating, counts 2^(-a / half-life): what
    is popular now comes first, and fashions pass.
    """

    name = "popularity"
    Config = PopularityConfig
    personalised = False

    _counts: npt.NDArray[np.float32]

    def _fit_details(self, interactions: Interactions) -> None:
        if self.config.half_life_days:
            self._counts = self._decayed(interactions.ratings)
        else:
            self._fit(self.known.history)

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        if self.config.half_life_days:
            raise ConfigError(
                f"{self.name}: half_life_days == {self.config.half_life_days} needs to know when ratings were given; "
                "use fit, or half_life_days 0"
            )
        # Counted already, for the base's cold users.
        self._counts = self.known.popularity

    def _decayed(self, ratings: pd.DataFrame) -> npt.NDArray[np.float32]:
        """(n_items,) float32 ratings of each item, those of old for less; too old a rating for float32 counts 0."""
        seconds = ratings["timestamp"].to_numpy(np.float64)
        age = (seconds.max() - seconds) / _DAY
        worth = ratings.assign(rating=np.exp2(-age / self.config.half_life_days))
        counted = to_csr(worth, self.known.users, self.known.items, binary=False)
        return np.bincount(counted.indices, counted.data, minlength=len(self.known.items)).astype(np.float32)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 number of training users of each item, or what age left of it. See the base."""
        return np.tile(self._counts, (len(user_index), 1))

    def scores_or_popularity(
        self, user_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """One order for everyone: who is cold gets no older fashion than the others. See the base."""
        scores, cold = super().scores_or_popularity(user_index)
        scores[cold] = self._counts
        return scores, cold

    def state(self) -> Arrays:
        """``decayed`` (n_items,) with a half-life; else empty: the counts follow from the training data."""
        return {"decayed": self._counts} if self.config.half_life_days else {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the decayed counts, where there are any."""
        counts = state["decayed"] if self.config.half_life_days else self.known.popularity
        if counts.shape != self.known.popularity.shape:
            raise ValueError(f"decayed has shape {counts.shape}, must have {self.known.popularity.shape}")
        self._counts = counts
