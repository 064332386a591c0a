"""What may be asked of a training run that nobody watches: checked where it is asked, and again where it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import BadInput, ConfigError
from core.validation_text import in_one_line
from wrappers.registry import model

#: What is trained unless the request says otherwise.
DEFAULT_MODELS = ("popularity", "item_knn", "ease")


class RetrainArguments(BaseModel):
    """Which models, how. The data are those of the worker's settings: a request names no file and no address."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    models: list[str] = Field(default=list(DEFAULT_MODELS), min_length=1, max_length=20)
    """Names of wrappers/registry.py, each once."""
    configs: dict[str, dict[str, Any]] = {}
    """Hyperparameters by model; a model without an entry takes its defaults."""
    seed: int = Field(default=42, ge=0, le=2**31 - 1)
    """Of the split and the bootstrap."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> RetrainArguments:
        """From JSON, each model and hyperparameter checked.

        Raises:
            BadInput: A field, a model or a hyperparameter is unknown or not allowed.
        """
        try:
            asked = cls.model_validate(dict(document))
        except ValidationError as error:
            raise BadInput(f"retrain request: {in_one_line(error)}") from error
        if len(set(asked.models)) != len(asked.models):
            raise BadInput(f"retrain request: models == {asked.models}, must name each model once")
        strangers = sorted(set(asked.configs) - set(asked.models))
        if strangers:
            raise ConfigError(f"retrain request: configs name {', '.join(strangers)}, which are not among the models")
        for name in asked.models:
            # Reading its configuration checks it.
            model(name)(asked.configs.get(name, {}))
        return asked
