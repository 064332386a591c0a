"""What every source of candidates is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wrappers.training_data import TrainingData
from wrappers.vector_index import IndexPlan

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int64]
State = Mapping[str, npt.NDArray[Any]]


class Scored(NamedTuple):
    """A model whose score is a product of vectors, as a source sees it.

    Attributes:
        known: Its training data.
        user_vectors: (n_users, d).
        item_vectors: (n_items, d).
        plan: How an index over vectors is built, and how many of the truly best it must find.
        with_new: Lists have places for new items.
    """

    known: TrainingData
    user_vectors: Floats
    item_vectors: Floats
    plan: IndexPlan
    with_new: bool


class CandidateSource(ABC):
    """Proposes items for a user, out of millions, in a millisecond or so.

    Args:
        model: Whose candidates it finds.
        state: What ``state`` gave; None: built anew.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, model: Scored, state: State | None = None) -> None: ...

    @abstractmethod
    def propose(self, user_index: int, n: int) -> Items:
        """Candidates of a known user with a history.

        Args:
            user_index: Whose.
            n: How many are wanted, >= 1; may give fewer or more.

        Returns:
            (m,) int64, all different, in any order.
        """

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What is too dear to be built anew whenever the model is loaded; by default nothing."""
        return {}

    def told(self) -> dict[str, Any]:
        """What was measured when it was built, as JSON values; by default nothing."""
        return {}

    @classmethod
    def restored(cls, model: Scored, state: State) -> Self:
        """From what ``state`` gave.

        Raises:
            KeyError: An array is missing.
            ValueError: The arrays do not fit the model.
        """
        return cls(model, state)
