"""Mutual exclusion: experiments that share a namespace take turns at its units, never two the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.fnv import fnv32a, fnv32a_continued, fnv32a_of_texts, utf8

NAMESPACE_BUCKETS = 1000


@dataclass(frozen=True)
class Namespace:
    """The part of a namespace's units that one experiment may have: [start, end) of [0, 1).

    Buckets are thousandths: a part finer than that holds more or fewer units than its width says.

    Attributes:
        id: Name of the namespace; experiments exclude each other only under the same one.
        start: Where the part begins, 0 <= start < end.
        end: Where it ends, at most 1; the end itself is outside.

    Raises:
        ConfigError: id is empty, or the range lies outside 0 … 1 or is empty.
    """

    id: str
    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.id:
            raise ConfigError("namespace.id == '', must be a name; experiments exclude each other under the same one")
        if not 0 <= self.start < self.end <= 1:
            raise ConfigError(
                f"namespace range == [{self.start}, {self.end}), must be 0 <= start < end <= 1; "
                "leave the namespace out for an experiment that excludes nobody"
            )

    def overlaps(self, other: Namespace) -> bool:
        """Whether a unit can be in both.

        >>> Namespace("home", 0, 0.4).overlaps(Namespace("home", 0.4, 1))
        False
        """
        return self.id == other.id and self.start < other.end and other.start < self.end


def namespace_bucket(namespace_id: str, unit_id: str) -> float:
    """A unit's place in a namespace, in steps of 1 / 1,000: GrowthBook's rule (hash version 1).

    fnv32a(unit_id + "__" + namespace_id) % 1000 / 1000, over UTF-8 bytes, as ``assignment.bucket`` does it. The unit
    comes first and the hash runs once, so that the place tells nothing of the unit's bucket in any experiment.

    >>> namespace_bucket("namespace1", "1"), namespace_bucket("namespace2", "3")
    (0.68, 0.335)

    Args:
        namespace_id: Name of the namespace.
        unit_id: The unit.

    Returns:
        A number in [0, 1).
    """
    return fnv32a(utf8(f"{unit_id}__{namespace_id}")) % NAMESPACE_BUCKETS / NAMESPACE_BUCKETS


def namespace_buckets(namespace_id: str, unit_ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """``namespace_bucket`` of many units at once.

    >>> namespace_buckets("namespace1", ["1", "2"])
    array([0.68 , 0.669])

    Args:
        namespace_id: Name of the namespace.
        unit_ids: n units.

    Returns:
        (n,) float64 in [0, 1); empty without units.
    """
    states = fnv32a_continued(fnv32a_of_texts(unit_ids), utf8(f"__{namespace_id}"))
    return (states % np.uint32(NAMESPACE_BUCKETS)) / NAMESPACE_BUCKETS
