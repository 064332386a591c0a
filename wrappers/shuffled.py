"""A negative control: another model's best items, in random order. A test that cannot see it lose is broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from core.errors import ConfigError
from wrappers.base import ModelConfig
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.registry import model
from wrappers.top_k import PADDING


class ShuffledConfig(RecommenderConfig):
    """Whose items are shuffled, and how."""

    base: str = "ease"
    """Registered name of the model whose items are shuffled; not ``shuffled`` itself."""
    base_config: dict[str, Any] = Field(default_factory=dict)
    """That model's hyperparameters."""
    depth: int = Field(200, ge=1)
    """How many of a user's best unseen items are shuffled; nothing else is recommended."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Each seed gives each user another fixed order."""


class Shuffled(RecommenderWrapper):
    """Recommends a base model's top ``depth`` unseen items for each user, in an order fixed by (seed, user, item)."""

    name = "shuffled"
    Config = ShuffledConfig
    negative_control = True

    _base: RecommenderWrapper

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        super().__init__(config)
        # Made here, so that a base that is unknown or badly configured is refused before any training.
        self._base = self._untrained_base()

    @classmethod
    def around(cls, base: RecommenderWrapper, *, seed: int = 0) -> Shuffled:
        """Shuffle a model that is trained already; it is shared, not copied."""
        made = cls({"base": base.name, "base_config": base.config.model_dump(mode="json"), "seed": seed})
        made.known, made._base = base.known, base
        return made

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        self._base = self._untrained_base()
        self._base.fit_known(self.known)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32, random in [0, 1) for the base's best items. See :meth:`RecommenderWrapper.score`."""
        best = self._base.recommend(self.known.users.ids[user_index], self.config.depth).item_index
        row, place = np.nonzero(best != PADDING)
        item = best[row, place]
        scores = np.full((len(user_index), len(self.known.items)), np.nan, np.float32)
        scores[row, item] = _uniform(self.config.seed, user_index[row], item)
        return scores

    def state(self) -> Arrays:
        """The base's state; its name and hyperparameters are in the configuration."""
        return self._base.state()

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the base's state."""
        self._base.known = self.known
        self._base.restore(state)

    def _untrained_base(self) -> RecommenderWrapper:
        found = model(self.config.base)
        if not issubclass(found, RecommenderWrapper) or issubclass(found, Shuffled) or found.needs_details:
            raise ConfigError(
                f"{self.name}: base == {self.config.base!r}, must be another recommender that learns from who rated "
                "what alone, e.g. 'ease'"
            )
        return found(self.config.base_config)


def _uniform(seed: int, user: npt.NDArray[np.int64], item: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(n,) float32 in [0, 1), a fixed function of seed, user and item, so that no generator runs per user."""
    mixed = _splitmix64(np.uint64(seed) + np.zeros(len(user), np.uint64))
    mixed = _splitmix64(mixed ^ user.astype(np.uint64))
    mixed = _splitmix64(mixed ^ item.astype(np.uint64))
    # The top 24 bits: as many as a float32 holds exactly.
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _splitmix64(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The mixing step of SplitMix64 (Steele, Lea & Flood 2014, fig. 16); wraps around by design."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
