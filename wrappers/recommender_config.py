"""What can be set on every recommender: what its lists must be like, beyond being right."""

from __future__ import annotations

from pydantic import Field

from core.errors import ConfigError
from wrappers.base import ModelConfig


class RecommenderConfig(ModelConfig):
    """Qualities of a recommender's lists. Subclasses add hyperparameters, each with a docstring."""

    diversity: float = Field(0.0, ge=0, le=1)
    """How much a list avoids items alike in genres (maximal marginal relevance): 0 not at all, 1 at any price."""
    max_genre_share: float = Field(1.0, gt=0, le=1)
    """Share of a list that items of one genre may take, as far as there are others."""
    explore_slots: int = Field(0, ge=0, le=100)
    """Places at a list's end that new items get: those rated least, best by the model first."""

    @property
    def shapes_lists(self) -> bool:
        """Whether lists are anything else than the model's best items in its order."""
        return self.diversity > 0 or self.max_genre_share < 1 or self.explore_slots > 0

    def check_unshaped(self, option: str, of: str) -> None:
        """Refuse to shape the lists of a model that another one only takes scores from.

        Args:
            option: Where this configuration stands in the other's, e.g. ``retriever_config``.
            of: Name of the other.

        Raises:
            ConfigError: A quality is set.
        """
        if self.shapes_lists:
            qualities = ", ".join(RecommenderConfig.model_fields)
            raise ConfigError(f"{of}: {option} must leave out {qualities}; set them on {of} itself")
