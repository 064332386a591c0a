"""What every data loader shares: the split rule, the cached read, train, test and provenance."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self, get_args, runtime_checkable

import pandas as pd

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from core.protocols import DataLoader, Provenance
from evaluation.folds import kfold, kfold_per_user
from evaluation.published_splits import full811, ms75
from evaluation.splits import Split, SplitKind, leaks, leave_last_n, random_per_user, stratified, temporal
from loaders.fingerprint import ratings_sha256


@dataclass(frozen=True)
class SplitRule:
    """How ratings are divided into train and test.

    Attributes:
        kind: ``random_per_user`` holds out a random ``test_fraction`` of each user's ratings, ``stratified`` the same
            with each user's high and low ratings in proportion; ``leave_last_n`` each user's latest ``n``;
            ``temporal`` the latest ``test_fraction`` of all; ``kfold`` and ``kfold_per_user`` fold number ``fold`` of
            ``n_folds``, dealt over all ratings or over each user's; ``ms75`` and ``full811`` are the published
            splits of ``evaluation/published_splits.py`` (of full811, train and validation are train here).
        n: Ratings held out per user, >= 1 (leave_last_n).
        test_fraction: Share held out, > 0 and < 1 (random_per_user, stratified, temporal).
        seed: Of the random choice, >= 0 (all but leave_last_n, temporal and ms75, which has its own).
        n_folds: Folds, >= 2 (kfold, kfold_per_user).
        fold: The fold held out, 0 … n_folds - 1 (kfold, kfold_per_user).

    Raises:
        ConfigError: A value is not allowed.
    """

    kind: SplitKind = "random_per_user"
    n: int = 10
    test_fraction: float = 0.2
    seed: int = 0
    n_folds: int = 5
    fold: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(SplitKind):
            raise ConfigError(f"split.kind == {self.kind!r}, must be one of {', '.join(get_args(SplitKind))}")
        if self.n < 1:
            raise ConfigError(f"split.n == {self.n}, must be >= 1 rating held out per user")
        if not 0 < self.test_fraction < 1:
            raise ConfigError(f"split.test_fraction == {self.test_fraction}, must be > 0 and < 1")
        if self.seed < 0:
            raise ConfigError(f"split.seed == {self.seed}, must be >= 0")
        if self.n_folds < 2:
            raise ConfigError(f"split.n_folds == {self.n_folds}, must be >= 2")
        if not 0 <= self.fold < self.n_folds:
            raise ConfigError(f"split.fold == {self.fold}, must be 0 … {self.n_folds - 1} of {self.n_folds} folds")

    def __str__(self) -> str:
        match self.kind:
            case "leave_last_n":
                return f"leave_last_n(n={self.n})"
            case "temporal":
                return f"temporal(test_fraction={self.test_fraction})"
            case "kfold" | "kfold_per_user":
                return f"{self.kind}(n_folds={self.n_folds}, fold={self.fold}, seed={self.seed})"
            case "ms75":
                return "ms75"
            case "full811":
                return f"full811(seed={self.seed})"
            case _:
                return f"{self.kind}(test_fraction={self.test_fraction}, seed={self.seed})"

    def apply(self, ratings: pd.DataFrame) -> Split:
        """Row positions of train and test; full811 leaves ratings below 3 out of both.

        Args:
            ratings: At least the columns user_id and timestamp; item_id for ms75; rating for stratified and full811.

        Raises:
            DataError: Nothing is left to learn from or to judge by, or the split leaks.
        """
        split = self._divide(ratings)
        for part, rows in (("train", split.train), ("test", split.test)):
            if len(rows) == 0:
                raise DataError(
                    f"split {self} leaves no {part} rows of {len(ratings)} ratings; {self._why_empty()}",
                )
        user, time = ratings["user_id"].to_numpy(), ratings["timestamp"].to_numpy()
        found = leaks(split, user, time, self.kind, ratings["item_id"].to_numpy() if self.kind == "ms75" else None)
        if found:
            raise DataError(f"split {self} leaks: {'; '.join(found)}")
        return split

    def _divide(self, ratings: pd.DataFrame) -> Split:
        user = ratings["user_id"].to_numpy()
        match self.kind:
            case "random_per_user":
                return random_per_user(user, self.test_fraction, self.seed)
            case "stratified":
                return stratified(user, ratings["rating"].to_numpy(), self.test_fraction, self.seed)
            case "leave_last_n":
                return leave_last_n(user, ratings["timestamp"].to_numpy(), self.n)
            case "temporal":
                return temporal(ratings["timestamp"].to_numpy(), self.test_fraction)
            case "kfold":
                return self._fold(len(ratings))
            case "kfold_per_user":
                return kfold_per_user(user, self.n_folds, self.seed)[self.fold]
            case "ms75":
                return ms75(ratings["item_id"].to_numpy())
            case "full811":
                return full811(user, ratings["rating"].to_numpy(), self.seed).for_test()

    def _fold(self, n_rows: int) -> Split:
        if n_rows < self.n_folds:
            raise DataError(f"split {self} needs at least {self.n_folds} ratings, there are {n_rows}")
        return kfold(n_rows, self.n_folds, self.seed)[self.fold]

    def _why_empty(self) -> str:
        match self.kind:
            case "random_per_user" | "stratified":
                least = math.ceil(1 / self.test_fraction)
                return f"it needs users with at least {least} ratings: give a larger share or more data"
            case "leave_last_n":
                return f"it needs users with more than {self.n} ratings: give a smaller n or more data"
            case "temporal":
                return "it needs ratings at more than one time: use leave_last_n"
            case "full811":
                return "it needs users with at least two ratings of 3 or more: give more data"
            case "ms75":
                return "it needs items with at least 3 ratings: give more data"
            case _:
                return "it needs users with more ratings: give fewer folds or more data"


@runtime_checkable
class OpenableLoader(DataLoader, Protocol):
    """What a registered loader offers: the data, and one way to open it whatever it reads."""

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        """Make the loader of what a pipeline knows: a path, the split, the seed of what is random, column names."""

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
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
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
        # Here, not at the top: pandera is slow to import, and split rules are needed where nothing is read.
        from loaders.schemas import conforming

        return conforming(self.read(), self.source)

    @cached_property
    def _split(self) -> Split:
        return self.split.apply(self._everything.ratings)
