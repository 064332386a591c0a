"""What every data loader shares: the split rule, the cached read, train, test and provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self, get_args, runtime_checkable

import numpy.typing as npt
import pandas as pd

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from core.protocols import DataLoader, Provenance
from evaluation.splits import Split, SplitKind, leaks, leave_last_n, random_per_user, temporal
from loaders.fingerprint import ratings_sha256


@dataclass(frozen=True)
class SplitRule:
    """How ratings are divided into train and test.

    Attributes:
        kind: ``random_per_user`` holds out a random ``test_fraction`` of each user's ratings; ``leave_last_n`` each
            user's latest ``n``; ``temporal`` the latest ``test_fraction`` of all.
        n: Ratings held out per user, >= 1 (leave_last_n).
        test_fraction: Share held out, > 0 and < 1 (random_per_user, temporal).
        seed: Of the random choice, >= 0 (random_per_user).

    Raises:
        ConfigError: A value is not allowed.
    """

    kind: SplitKind = "random_per_user"
    n: int = 10
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(SplitKind):
            raise ConfigError(f"split.kind == {self.kind!r}, must be one of {', '.join(get_args(SplitKind))}")
        if self.n < 1:
            raise ConfigError(f"split.n == {self.n}, must be >= 1 rating held out per user")
        if not 0 < self.test_fraction < 1:
            raise ConfigError(f"split.test_fraction == {self.test_fraction}, must be > 0 and < 1")
        if self.seed < 0:
            raise ConfigError(f"split.seed == {self.seed}, must be >= 0")

    def __str__(self) -> str:
        if self.kind == "leave_last_n":
            return f"leave_last_n(n={self.n})"
        if self.kind == "random_per_user":
            return f"random_per_user(test_fraction={self.test_fraction}, seed={self.seed})"
        return f"temporal(test_fraction={self.test_fraction})"

    def apply(self, ratings: pd.DataFrame) -> Split:
        """Row positions of train and test.

        Args:
            ratings: At least the columns user_id and timestamp.

        Raises:
            DataError: Nothing is left to learn from or to judge by.
        """
        user, time = ratings["user_id"].to_numpy(), ratings["timestamp"].to_numpy()
        split = self._divide(user, time)
        for part, rows in (("train", split.train), ("test", split.test)):
            if len(rows) == 0:
                raise DataError(
                    f"split {self} leaves no {part} rows of {len(ratings)} ratings; {self._why_empty()}",
                )
        found = leaks(split, user, time, self.kind)
        if found:
            raise DataError(f"split {self} leaks: {'; '.join(found)}")
        return split

    def _divide(self, user: npt.NDArray[Any], time: npt.NDArray[Any]) -> Split:
        if self.kind == "random_per_user":
            return random_per_user(user, self.test_fraction, self.seed)
        if self.kind == "leave_last_n":
            return leave_last_n(user, time, self.n)
        return temporal(time, self.test_fraction)

    def _why_empty(self) -> str:
        if self.kind == "random_per_user":
            return (
                f"it needs users with at least {1 / self.test_fraction:.0f} ratings: give a larger share or more data"
            )
        if self.kind == "leave_last_n":
            return f"it needs users with more than {self.n} ratings: give a smaller n or more data"
        return "it needs ratings at more than one time: use leave_last_n"


@runtime_checkable
class OpenableLoader(DataLoader, Protocol):
    """What a registered loader offers: the data, and one way to open it whatever it reads."""

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int) -> Self:
        """Make the loader of what a pipeline knows: a path or URI, the split, the seed of what is random."""

    def split_rows(self) -> Split:
        """Positions of train and test in ``load()``."""


class BaseLoader(ABC):
    """Train, test and provenance of whatever :meth:`read` finds; it is read once and split once.

    Args:
        split: How to divide it.
    """

    def __init__(self, *, split: SplitRule) -> None:
        self.split = split

    @classmethod
    @abstractmethod
    def open(cls, source: str, *, split: SplitRule, seed: int) -> Self:
        """Make the loader of what a pipeline knows; a loader ignores what it has no use for."""

    @abstractmethod
    def read(self) -> Interactions:
        """Read everything from the source.

        Raises:
            DataError: The source is not what it should be.
        """

    @property
    @abstractmethod
    def source(self) -> str:
        """Path, URI or "synthetic"."""

    @property
    @abstractmethod
    def layout(self) -> str:
        """How the source is laid out, e.g. "ml-1m"."""

    @property
    def seed(self) -> int | None:
        """What made the data, where they are made; None where nothing is random."""
        return None

    def load(self) -> Interactions:
        """Everything, train and test together, in the source's order."""
        return self._everything

    def train(self) -> Interactions:
        """What a model may learn from."""
        return self._everything.take(self._split.train)

    def test(self) -> Interactions:
        """What it is judged on; shares no rating row with :meth:`train`."""
        return self._everything.take(self._split.test)

    def split_rows(self) -> Split:
        """Positions of train and test in :meth:`load`.

        Raises:
            DataError: The rule leaves nothing to learn from or to judge by.
        """
        return self._split

    def provenance(self) -> Provenance:
        """Where this data came from and how it is split."""
        ratings = self.load().ratings
        return Provenance(self.source, self.layout, ratings_sha256(ratings), str(self.split), self.seed)

    @cached_property
    def _everything(self) -> Interactions:
        return self.read()

    @cached_property
    def _split(self) -> Split:
        return self.split.apply(self._everything.ratings)
