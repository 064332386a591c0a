"""What a contextual bandit sees of a request: features named in the spec, as one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from experiments.spec_part import Part


class NumberFeature(Part):
    """A number of the context, standardised: (x - mean) / scale, held within -10 … 10."""

    kind: Literal["number"] = "number"
    key: Annotated[str, Field(min_length=1)]
    """Key of the context, or of the user's features."""
    mean: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0


class CategoryFeature(Part):
    """A text of the context: a 1 for each of its values but the first, which is the one that others differ from."""

    kind: Literal["category"] = "category"
    key: Annotated[str, Field(min_length=1)]
    values: Annotated[tuple[str, ...], Field(min_length=2)]

    @field_validator("values")
    @classmethod
    def _values_differ(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(given)) < len(given):
            raise ValueError(f"{list(given)}; each value must be named once")
        return given


ContextFeature: TypeAlias = NumberFeature | CategoryFeature

#: One request with a number gone wrong must not rule a linear model.
_FURTHEST = 10.0


def context_size(features: Sequence[ContextFeature]) -> int:
    """Numbers of a context's vector: a constant, and those of each feature.

    >>> context_size([NumberFeature(key="hour"), CategoryFeature(key="device", values=("phone", "tablet", "tv"))])
    4
    """
    return 1 + sum(1 if isinstance(feature, NumberFeature) else len(feature.values) - 1 for feature in features)


def context_vectors(
    features: Sequence[ContextFeature], contexts: Sequence[Mapping[str, Any]]
) -> npt.NDArray[np.float64]:
    """Requests as a contextual bandit takes them.

    What is missing, or is not what the spec says, counts as the mean, or as the first value: a request is never
    refused for a feature.

    >>> device = CategoryFeature(key="device", values=("phone", "tablet"))
    >>> context_vectors([NumberFeature(key="hour", mean=12, scale=6), device], [{"hour": 18, "device": "tablet"}, {}])
    array([[1., 1., 1.],
           [1., 0., 0.]])

    Args:
        features: From the spec.
        contexts: n requests' contexts.

    Returns:
        (n, ``context_size(features)``) float64, finite; the first column is 1.
    """
    columns = [np.ones((len(contexts), 1))]
    for feature in features:
        given = [context.get(feature.key) for context in contexts]
        columns.append(_standardised(feature, given) if isinstance(feature, NumberFeature) else _coded(feature, given))
    return np.hstack(columns)


def _standardised(feature: NumberFeature, given: list[Any]) -> npt.NDArray[np.float64]:
    numbers = np.array([_number(value, feature.mean) for value in given], np.float64)
    return np.clip((numbers - feature.mean) / feature.scale, -_FURTHEST, _FURTHEST)[:, np.newaxis]


def _number(value: Any, otherwise: float) -> float:
    if isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _coded(feature: CategoryFeature, given: list[Any]) -> npt.NDArray[np.float64]:
    place = {value: column for column, value in enumerate(feature.values)}
    index = np.array([place.get(value, 0) if isinstance(value, str) else 0 for value in given], np.int64)
    columns: npt.NDArray[np.float64] = (index[:, np.newaxis] == np.arange(1, len(feature.values))).astype(np.float64)
    return columns
