"""What a protocol is: rounds of training and test parts, and how a model is judged in each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions
from evaluation.details import mean_of
from wrappers.protocols.negatives import RankedAmongNegatives
from wrappers.recommender import RecommenderWrapper

#: Metric, e.g. ``ndcg@10``, to one value per unit that is averaged (a user; a row): (n_units,) float64, NaN = no value.
Figures = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class BenchmarkData:
    """What a protocol is run on.

    Attributes:
        name: The release, e.g. "ml-100k"; any other text for data that no figures are published of.
        interactions: All ratings, in file order.
        ranked: The published test pairs and negatives, for protocols that use such.
    """

    name: str
    interactions: Interactions
    ranked: RankedAmongNegatives | None = None


@dataclass(frozen=True)
class Round:
    """One part to learn from, and the judge of what was learned.

    A model sees ``train`` and nothing else; the test part is inside ``judge``, which only the benchmark calls.

    Attributes:
        train: What a model, and the search for its hyperparameters, may see.
        judge: A trained model to its figures.
        n_test: Rows in the test part.
    """

    train: Interactions
    judge: Callable[[RecommenderWrapper], Figures]
    n_test: int


@dataclass(frozen=True)
class Published:
    """Somebody else's figures.

    Attributes:
        name: The model as its authors call it.
        model: Our registered name of the same model; empty: we have no such.
        figures: Metric to its value.
    """

    name: str
    model: str
    figures: Mapping[str, float] = field(default_factory=dict)


class Protocol(ABC):
    """One way to split and to judge. Subclasses are registered in ``wrappers/protocols/registry.py``."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """What it does, in a sentence."""
    metrics: ClassVar[tuple[str, ...]]
    """Shown, the first of them is what hyperparameters are chosen by."""
    paired: ClassVar[tuple[str, ...]] = ()
    """Metrics told per user that models are compared in; empty: the first alone."""
    lower_is_better: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]]
    """Run where the user names none."""
    needs: ClassVar[str]
    """Which files it is published for and where they come from, for people who lack them."""
    published: ClassVar[Mapping[str, Sequence[Published]]] = {}
    """Data to figures."""
    rows: ClassVar[Mapping[str, tuple[int, int]]] = {}
    """Data to the published number of training and test rows of each round; anything else is refused."""
    indifferent: ClassVar[frozenset[str]] = frozenset()
    """Options that cannot change what is judged: not searched for."""
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Model to published hyperparameters, which the search tries besides the defaults."""

    def settings(self, data: BenchmarkData) -> Mapping[str, Any]:
        """Options that follow from how the protocol holds out: set for every model that has them, not searched for."""
        return {}

    @abstractmethod
    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """The rounds to average over, in order.

        Raises:
            DataError: The data are not what the protocol needs.
        """

    @abstractmethod
    def validation(self, train: Interactions) -> list[Round]:
        """Rounds of the same kind inside a training part, to choose hyperparameters by."""

    @property
    def compared(self) -> tuple[str, ...]:
        """Metrics whose differences between models are told with intervals."""
        return self.paired or self.metrics[:1]

    def gain(self, figures: Figures) -> float:
        """What a search maximises: the mean of the first metric, negative where lower is better; NaN without values."""
        mean = mean_of(figures[self.metrics[0]])
        return -mean if self.lower_is_better else mean
