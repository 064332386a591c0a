"""What one room may expect of another without importing it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from core.interactions import Interactions


@dataclass(frozen=True)
class Provenance:
    """Where data came from and how it was split, as every MLflow run records it.

    Attributes:
        source: Path, URI or "synthetic".
        layout: E.g. "ml-latest", "ml-1m", "ml-100k", "synthetic".
        sha256: Hash of the canonical ratings (not of the file), so that folder and zip agree.
        split: E.g. "leave_last_n(n=10)".
        seed: The seed that made synthetic data or a random split; None where nothing is random.
    """

    source: str
    layout: str
    sha256: str
    split: str
    seed: int | None = None

    def as_params(self) -> dict[str, Any]:
        """``data.source``, ``data.layout`` … as MLflow parameters."""
        return {f"data.{name}": "" if value is None else value for name, value in asdict(self).items()}


@runtime_checkable
class DataLoader(Protocol):
    """Where a model gets its data from: a file, a prepared pipeline artifact, later a feature store."""

    def load(self) -> Interactions:
        """Everything, train and test together."""

    def train(self) -> Interactions:
        """What a model may learn from."""

    def test(self) -> Interactions:
        """What it is judged on; shares no rating row with ``train``."""

    def provenance(self) -> Provenance:
        """Where this data came from."""
