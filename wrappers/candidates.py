"""A trained retriever's lists, remembered for users who come back: what is pinned gives the same list every time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wrappers.asked import Asked
from wrappers.recommender import Recommendations, RecommenderWrapper

#: Of this many together at most: 24 MB, which is 10,000 users with 200 candidates each.
_MAX_CANDIDATES = 2_000_000


class Candidates:
    """What a retriever finds for users, remembered where one user is asked for at a time, as a server does.

    Args:
        retriever: Trained, and not trained again.
        depth: Length of the lists that are remembered.
    """

    def __init__(self, retriever: RecommenderWrapper, depth: int) -> None:
        self._retriever = retriever
        self._depth = depth
        self._of_one = lru_cache(max(1, _MAX_CANDIDATES // depth))(self._find)

    def best(self, asked: Asked) -> Recommendations:
        """As the retriever's; the arrays of a list that is remembered cannot be changed.

        Args:
            asked: Without exclusions.
        """
        if len(asked.user_index) == 1 and asked.k == self._depth:
            return self._of_one(int(asked.user_index[0]), asked.filter_seen)
        return self._retriever.best(asked)

    def _find(self, user_index: int, filter_seen: bool) -> Recommendations:
        nothing = np.empty(0, np.int64)
        found = self._retriever.best(Asked(np.array([user_index]), self._depth, filter_seen, nothing, nothing))
        for array in found:
            array.setflags(write=False)
        return found
