"""Candidates by what items are: what is best known of the genres that the user rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wrappers.retrieval.popular import most_rated
from wrappers.retrieval.source import CandidateSource, Items, Scored, State

#: Of each genre.
_DEPTH = 5_000
_GENRES_PER_USER = 5


class Content(CandidateSource):
    """For each genre its most rated items; a user gets them in proportion to what she rated of each of her genres."""

    name = "content"

    def __init__(self, model: Scored, state: State | None = None) -> None:
        self._history = model.known.history
        self._genres = model.known.genre_sets
        n_genres = self._genres.flags.shape[1]
        if state is None:
            self._best = _of_each_genre(model)
        else:
            self._best = state["best"]
            if self._best.shape != (n_genres, min(_DEPTH, len(model.known.items))):
                raise ValueError(
                    f"best has shape {self._best.shape}, must have {n_genres} rows of the most rated items"
                )

    def propose(self, user_index: int, n: int) -> Items:
        """About n items of the user's genres. See the base."""
        start, stop = self._history.indptr[user_index : user_index + 2]
        rated = self._history.indices[start:stop]
        count = self._genres.flags[self._genres.of_item[rated]].sum(axis=0, dtype=np.int64)
        genres = np.argsort(-count, kind="stable")[:_GENRES_PER_USER]
        genres = genres[count[genres] > 0]
        if not len(genres):
            return np.empty(0, np.int64)
        places = np.ceil(n * count[genres] / count[genres].sum()).astype(np.int64)
        listed = np.concatenate([self._best[genre, :few] for genre, few in zip(genres, places, strict=True)])
        return np.unique(listed[listed >= 0]).astype(np.int64)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """``best`` (n_genres, m) int32: the most rated items of each genre, -1 where there are no more."""
        return {"best": self._best}


def _of_each_genre(model: Scored) -> npt.NDArray[np.int32]:
    known = model.known
    flags, of_item = known.genre_sets
    best = np.full((flags.shape[1], min(_DEPTH, len(known.items))), -1, np.int32)
    for genre, row in enumerate(best):
        found = most_rated(known.popularity, np.flatnonzero(flags[of_item, genre]), len(row))
        row[: len(found)] = found
    return best
