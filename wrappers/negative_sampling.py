"""Items that a user did not rate, drawn uniformly for many users at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


class NegativeSampler:
    """Draws from each user's unrated items, every one equally likely.

    Nothing is drawn in vain: a number below the count of the user's unrated items is drawn, and turned into the item
    of that place among them. With the user's rated items p_0 < p_1 < …, there are p_j - j unrated ones below p_j; so
    the r-th unrated item is r plus the number of j with p_j - j <= r: one binary search in sorted keys.

    Args:
        history: (n_users, n_items), something stored where a user rated an item.
    """

    def __init__(self, history: sparse.csr_array[Any, Any]) -> None:
        n_users, self._n_items = history.shape
        rated = sparse.csr_array((history.data, history.indices.copy(), history.indptr), shape=history.shape)
        rated.sort_indices()
        self._indptr = rated.indptr.astype(np.int64)
        n_rated = np.diff(self._indptr)
        user = np.repeat(np.arange(n_users), n_rated)
        place = np.arange(rated.nnz) - self._indptr[user]
        self._keys = user * (self._n_items + 1) + rated.indices - place
        self.n_unrated: npt.NDArray[np.int64] = self._n_items - n_rated
        """(n_users,) int64."""

    def sample(
        self, user_index: npt.NDArray[np.int64], n_negatives: int, rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """Draw with replacement.

        Args:
            user_index: (n,) int64; quickest in ascending order. Empty gives no rows.
            n_negatives: Items for each.
            rng: Source of randomness.

        Returns:
            (n, n_negatives) int64 items without a rating by the row's user.

        Raises:
            ValueError: A user has rated every item.
        """
        left = self.n_unrated[user_index][:, np.newaxis]
        if not left.all():
            raise ValueError("there is a user who rated every item; leave out users whose n_unrated is 0")
        drawn = rng.integers(0, left, (len(user_index), n_negatives))
        query = user_index[:, np.newaxis] * (self._n_items + 1) + drawn
        below = np.searchsorted(self._keys, query, side="right") - self._indptr[user_index][:, np.newaxis]
        return drawn + below
