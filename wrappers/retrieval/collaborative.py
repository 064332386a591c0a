"""Candidates by who rated what: the items whose vectors go best with the user's."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from wrappers.retrieval.source import CandidateSource, Items, Scored, State
from wrappers.vector_index import VectorIndex


class Collaborative(CandidateSource):
    """The model's own best, found by an index over item vectors: exact below a size, approximate above.

    How many of the truly best it finds is measured against scoring all items when it is built, on users that the index
    was not tuned on.
    """

    name = "collaborative"

    def __init__(self, model: Scored, state: State | None = None) -> None:
        self._users, self._items = model.user_vectors, model.item_vectors
        if state is None:
            self._index = VectorIndex.build(model.item_vectors, plan=model.plan, queries=model.user_vectors)
        else:
            self._index = VectorIndex.from_arrays(state)
            shape = (self._index.n_items, self._index.dimension)
            if shape != model.item_vectors.shape:
                raise ValueError(f"the index has shape {shape}, the item vectors {model.item_vectors.shape}")

    def propose(self, user_index: int, n: int) -> Items:
        """The n best found. See the base."""
        return self._index.candidates(self._users[user_index], n, self._items)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The index, and what was measured."""
        return self._index.arrays()

    def told(self) -> dict[str, Any]:
        """Kind of index, share of the truly best found, lists looked through."""
        return {"kind": self._index.kind, "recall": round(self._index.recall, 4), "lists": self._index.n_probe}
