"""Results as JSON can hold them, and back: what is no number is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from experiments.result import LookResult, MetricLook, RolloutResult, StepResult


def look_document(look: LookResult) -> dict[str, Any]:
    """A look as plain JSON values."""
    return _without_nan(asdict(look))


def step_document(step: StepResult) -> dict[str, Any]:
    """A step as plain JSON values."""
    return _without_nan(asdict(step))


def look_of(document: Mapping[str, Any]) -> LookResult:
    """The look that ``look_document`` was made of."""
    metrics = tuple(MetricLook(**_with_nan(metric)) for metric in document.get("metrics", ()))
    return LookResult(**{**_with_nan(document), "reasons": tuple(document["reasons"]), "metrics": metrics})


def result_document(result: RolloutResult) -> dict[str, Any]:
    """``RolloutResult.as_dict`` as plain JSON values.

    Raises:
        IndexError: No look has been taken yet.
    """
    return _without_nan(result.as_dict())


def result_of(document: Mapping[str, Any]) -> RolloutResult:
    """The result that ``result_document`` was made of."""
    names = {field.name for field in fields(RolloutResult)}
    parts: dict[str, Any] = {
        "reasons": tuple(document["reasons"]),
        "steps": tuple(StepResult(**_with_nan(step)) for step in document["steps"]),
        "looks": tuple(look_of(look) for look in document["looks"]),
    }
    return RolloutResult(**{**{name: value for name, value in document.items() if name in names}, **parts})


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in document.items()}
