"""Candidates that hardly anyone rated yet: what the exploration slots of lists are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wrappers.retrieval.source import CandidateSource, Items, Scored, State
from wrappers.vector_index import VectorIndex


class New(CandidateSource):
    """The model's best of the new items, found by an index of their own; none where lists have no places for them."""

    name = "new"

    def __init__(self, model: Scored, state: State | None = None) -> None:
        self._users, self._vectors = model.user_vectors, model.item_vectors
        self._index: VectorIndex | None = None
        self._items: Items = np.flatnonzero(model.known.is_new) if model.with_new else np.empty(0, np.int64)
        if not len(self._items):
            return
        if state is None:
            self._index = VectorIndex.build(
                model.item_vectors[self._items], plan=model.plan, queries=model.user_vectors
            )
        else:
            self._index = VectorIndex.from_arrays(state)
            if self._index.n_items != len(self._items):
                raise ValueError(f"the index of new items holds {self._index.n_items}, must hold {len(self._items)}")

    def propose(self, user_index: int, n: int) -> Items:
        """The n best new ones found. See the base."""
        if self._index is None:
            return self._items
        return self._index.candidates(self._users[user_index], n, self._vectors, self._items)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The index, where there is one."""
        return {} if self._index is None else self._index.arrays()

    def told(self) -> dict[str, Any]:
        """As of the collaborative source."""
        if self._index is None:
            return {}
        return {"kind": self._index.kind, "recall": round(self._index.recall, 4), "lists": self._index.n_probe}
