"""A list in two stages: sources propose candidates, the model scores those, and only those."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wrappers.asked import Asked
from wrappers.retrieval.config import RetrievalConfig
from wrappers.retrieval.popular import Popular
from wrappers.retrieval.registry import source
from wrappers.retrieval.source import CandidateSource, Floats, Items, Scored, State


class Candidates(NamedTuple):
    """What one user's list is chosen from.

    Attributes:
        item_index: (m,) int64 ascending, so that equal scores rank as they do where all items are scored.
        score: (m,) float32, the model's, or how many people rated the item where the user is cold.
        enough: A list as long as was asked for can be made of them, or there are no others.
    """

    item_index: Items
    score: Floats
    enough: bool


class TwoStage:
    """Candidates of one model.

    Args:
        model: Whose.
        config: Sources, and how many each proposes.
        state: What ``state`` gave; None: everything is built anew.

    Raises:
        KeyError: The state lacks something.
        ValueError: It does not fit the model.
    """

    def __init__(self, model: Scored, config: RetrievalConfig, state: State | None = None) -> None:
        self._model = model
        self._n = config.candidates_per_source
        self._sources: list[CandidateSource] = []
        for name in config.candidate_sources:
            made = source(name)
            here = None if state is None else _part(state, name)
            self._sources.append(made(model) if here is None else made.restored(model, here))
        # A cold user's list is made of nothing else.
        self._popular = next((one for one in self._sources if isinstance(one, Popular)), None) or Popular(model)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The sources' names, and what each keeps, under its name."""
        kept = {f"{one.name}.{key}": array for one in self._sources for key, array in one.state().items()}
        return {"sources": np.array([one.name for one in self._sources]), **kept}

    def told(self) -> dict[str, Any]:
        """What was measured when the sources were built, by their names."""
        return {one.name: told for one in self._sources if (told := one.told())}

    def of(self, asked: Asked, *, depth: int) -> Candidates:
        """The candidates of one user, those left out that must not be listed.

        Args:
            asked: Of one user.
            depth: So many must be left at least, if there are as many.
        """
        user = int(asked.user_index[0])
        indptr = self._model.known.history.indptr
        seen = (
            self._model.known.history.indices[indptr[user] : indptr[user + 1]] if user >= 0 else np.empty(0, np.int64)
        )
        hidden = np.union1d(seen if asked.filter_seen else seen[:0], asked.excluded_item)
        cold = not len(seen)
        n = max(self._n, depth) + len(hidden)
        if cold:
            found = self._popular.for_cold(n)
        else:
            found = np.unique(np.concatenate([one.propose(user, n) for one in self._sources]))
        item = found[~np.isin(found, hidden, assume_unique=True)] if len(hidden) else found
        if cold:
            score = self._model.known.popularity[item]
        else:
            score = self._model.item_vectors[item] @ self._model.user_vectors[user]
        there_are = len(self._model.known.items) - len(hidden)
        return Candidates(item, score, len(item) >= min(depth, there_are))


def _part(state: State, name: str) -> State:
    return {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")}
