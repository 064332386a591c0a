"""Candidates that many people rated; for a user of whom nothing is known, the list itself."""

from __future__ import annotations

import numpy as np

from wrappers.retrieval.source import CandidateSource, Floats, Items, Scored, State

#: More than the longest list and the most exclusions together.
_DEPTH = 10_000


class Popular(CandidateSource):
    """The items that most people rated, the same for everyone."""

    name = "popular"

    def __init__(self, model: Scored, state: State | None = None) -> None:
        popularity = model.known.popularity
        self._ranked = most_rated(popularity, np.arange(len(popularity)), _DEPTH)
        new = np.flatnonzero(model.known.is_new) if model.with_new else np.empty(0, np.int64)
        self._ranked_new = most_rated(popularity, new, _DEPTH)

    def propose(self, user_index: int, n: int) -> Items:
        """The n most popular. See the base."""
        return self._ranked[:n]

    def for_cold(self, n: int) -> Items:
        """The same for a user of whom nothing is known; and the n most popular new items, where lists have places for
        them.
        """
        return np.union1d(self._ranked[:n], self._ranked_new[:n])


def most_rated(popularity: Floats, items: Items, n: int) -> Items:
    """The most popular of some items.

    Args:
        popularity: (n_items,) of all items.
        items: (m,) ascending, of which.
        n: How many at most.

    Returns:
        (min(n, m),) most popular first, equals by index.
    """
    n = min(n, len(items))
    if n == 0:
        return np.empty(0, np.int64)
    of_these = popularity[items]
    # Only those at least as popular as the last one are put in order: that of millions takes long.
    least = np.partition(of_these, len(items) - n)[len(items) - n]
    above, level = np.flatnonzero(of_these > least), np.flatnonzero(of_these == least)
    few = items[np.sort(np.concatenate([above, level[: n - len(above)]]))]
    return few[np.argsort(-popularity[few], kind="stable")].astype(np.int64)
