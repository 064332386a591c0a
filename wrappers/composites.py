"""Models made of others, and the hyperparameters that were found for those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wrappers.registry import model


def with_components(name: str, config: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A model's configuration, its components set up as found.

    Args:
        name: Registered name; a model that is made of no others keeps its configuration.
        config: What is set already, which stands.
        found: Model to the hyperparameters found for it.
    """
    tuned_components = getattr(model(name), "tuned_components", None)
    return dict(config) if tuned_components is None else {**tuned_components(found), **config}
