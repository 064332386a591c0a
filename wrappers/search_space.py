"""What may be searched for among a model's hyperparameters, told by the model itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias


class Numbers(NamedTuple):
    """A hyperparameter from a range, ends included.

    Attributes:
        low: Its least value.
        high: Its greatest.
        log: Spread evenly over orders of magnitude; the least must be above 0 then.
        whole: Whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Choices(NamedTuple):
    """A hyperparameter from a few values: numbers, texts, booleans."""

    values: tuple[Any, ...]


#: Option to where its values come from. A key like ``retriever_config.reg`` reaches into an option that is a mapping.
SearchSpace: TypeAlias = Mapping[str, Numbers | Choices]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Options whose dotted keys are put into the mappings they name.

    >>> nested({"n_candidates": 100, "retriever_config.reg": 30.0})
    {'n_candidates': 100, 'retriever_config': {'reg': 30.0}}
    """
    options: dict[str, Any] = {}
    for key, value in flat.items():
        *outer, last = key.split(".")
        place = options
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return options
