"""What can be set on models that search for candidates before they score."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from core.errors import ConfigError, UnknownName
from wrappers.recommender_config import RecommenderConfig
from wrappers.retrieval.registry import SOURCES, source


class RetrievalConfig(RecommenderConfig):
    """From which size on candidates are searched for, and where they come from."""

    retrieve_from: int = Field(200_000, ge=1)
    """Catalogues of at least so many items are searched for candidates, which are scored; smaller ones are scored
    whole, which misses nothing and is quick enough."""
    candidate_sources: tuple[str, ...] = tuple(SOURCES)
    """Where candidates come from (wrappers/retrieval/registry.py); all are scored by the model itself."""
    candidates_per_source: int = Field(300, ge=10, le=10_000)
    """Items that each source proposes for a list, beside those that are then left out."""
    index_recall: float = Field(0.97, gt=0, le=1)
    """Share of the truly best items that the search among item vectors must find when it is built."""

    @field_validator("candidate_sources")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> Any:
        try:
            for name in value:
                source(name)
        except (UnknownName, ConfigError) as error:
            raise ValueError(str(error)) from error
        if not value:
            raise ValueError(f"must name at least one of {', '.join(SOURCES)}")
        return value
