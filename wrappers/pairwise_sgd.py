"""Stochastic gradient ascent on Bayesian personalised ranking's criterion, a batch of pairs at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

Floats = npt.NDArray[np.float32]
Indexes = npt.NDArray[np.int64]

#: Items whose scores are computed for a whole batch; each rating draws its candidates among them.
_POOL = 512
#: How many times faster a score is as part of one product than on its own: few candidates are scored one by one.
_PRODUCT_SPEEDUP = 32
#: Adagrad's sum of squares to begin with: small against a gradient, so that it only guards the first division.
_FIRST_SQUARE = 1e-2


class Steps(NamedTuple):
    """How factors are moved.

    Attributes:
        learning_rate: Of Adagrad (Duchi et al. 2011).
        reg: Ridge penalty on every factor, each time it is used.
        batch_size: Ratings per step.
        candidates: Unrated items drawn for a rating, of which it is compared with the one that scores highest.
    """

    learning_rate: float
    reg: float
    batch_size: int
    candidates: int


class PairwiseSGD:
    """Moves user and item factors, in place, so that users score what they rated above what they did not.

    Args:
        history: (n_users, n_items) of ones, indices sorted.
        users: (n_users, d + 1) float32, the last column 1: it takes up the items' biases.
        items: (n_items, d + 1) float32.
        steps: How to move them.
        rng: Draws the order of ratings and the items they are compared with.
    """

    def __init__(
        self, history: sparse.csr_array[Any, Any], users: Floats, items: Floats, steps: Steps, rng: np.random.Generator
    ) -> None:
        self._n_items = history.shape[1]
        self._user = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
        self._item = history.indices.astype(np.int64)
        #: Every rated pair as one number, ascending.
        self._rated = self._user * self._n_items + self._item
        self._users, self._items, self._steps, self._rng = users, items, steps, rng
        self._user_squares = np.full_like(users, _FIRST_SQUARE)
        self._item_squares = np.full_like(items, _FIRST_SQUARE)

    def epoch(self) -> None:
        """Every rating once, in random order."""
        for chosen in self._batches():
            user, better = self._user[chosen], self._item[chosen]
            worse = self._unrated(user)
            some = worse >= 0
            self._step(user[some], better[some], worse[some])

    def _batches(self) -> Iterator[Indexes]:
        order = self._rng.permutation(len(self._rated))
        for start in range(0, len(order), self._steps.batch_size):
            yield order[start : start + self._steps.batch_size]

    def _unrated(self, user: Indexes) -> Indexes:
        """(b,) an item each user has not rated, the highest scored of the candidates; -1 where all of them are rated.

        The harder the comparison, the more there is to learn at the top of the list (Zhang et al. 2013, "Optimizing
        Top-N Collaborative Filtering via Dynamic Negative Item Sampling").
        """
        pool = self._rng.integers(0, self._n_items, min(_POOL, self._n_items * self._steps.candidates))
        candidate = self._rng.integers(0, len(pool), (len(user), self._steps.candidates))
        scores = self._scores(user, pool, candidate)
        hardest = np.full(len(user), -1)
        open_rows = np.arange(len(user))
        # Mostly the first choice is unrated: fewer look-ups than of every candidate.
        while len(open_rows):
            place = scores[open_rows].argmax(axis=1)
            item = pool[candidate[open_rows, place]]
            rated = self._is_rated(user[open_rows], item)
            hardest[open_rows[~rated]] = item[~rated]
            scores[open_rows, place] = -np.inf
            open_rows = open_rows[rated]
            open_rows = open_rows[np.isfinite(scores[open_rows]).any(axis=1)]
        return hardest

    def _scores(self, user: Indexes, pool: Indexes, candidate: Indexes) -> Floats:
        """(b, candidates) of the pool's items that each user draws."""
        if _PRODUCT_SPEEDUP * self._steps.candidates < len(pool):
            return (self._items[pool[candidate]] @ self._users[user][:, :, np.newaxis])[:, :, 0]
        return np.take_along_axis(self._users[user] @ self._items[pool].T, candidate, axis=1)

    def _is_rated(self, user: Indexes, item: Indexes) -> npt.NDArray[np.bool_]:
        pair = user * self._n_items + item
        place = np.minimum(np.searchsorted(self._rated, pair), len(self._rated) - 1)
        rated: npt.NDArray[np.bool_] = self._rated[place] == pair
        return rated

    def _step(self, user: Indexes, better: Indexes, worse: Indexes) -> None:
        """Ascend ln sigmoid(x_u'(y_i - y_j)) - reg / 2 (|x_u|^2 + |y_i|^2 + |y_j|^2), eq. 5 of the paper."""
        x, y_better, y_worse = self._users[user], self._items[better], self._items[worse]
        difference = y_better - y_worse
        # How far from certain the right order is: the derivative of ln sigmoid.
        doubt = expit(-np.einsum("bd,bd->b", x, difference))[:, np.newaxis]
        reg = np.float32(self._steps.reg)
        toward_user = doubt * difference - reg * x
        toward_user[:, -1] = 0.0
        pull = doubt * x
        toward_item = np.concatenate([pull - reg * y_better, -pull - reg * y_worse])
        self._move(self._users, self._user_squares, user, toward_user)
        self._move(self._items, self._item_squares, np.concatenate([better, worse]), toward_item)

    def _move(self, factors: Floats, squares: Floats, row: Indexes, gradient: Floats) -> None:
        """Add each row's gradients and take one step of Adagrad along the sum."""
        order = np.argsort(row, kind="stable")
        first = np.flatnonzero(np.diff(row[order], prepend=-1))
        moved = row[order[first]]
        bounds = np.append(first, len(row))
        adds = sparse.csr_array((np.ones(len(row), np.float32), order, bounds), shape=(len(moved), len(row)))
        total = adds @ gradient
        grown = squares[moved] + total * total
        squares[moved] = grown
        factors[moved] += np.float32(self._steps.learning_rate) * total / np.sqrt(grown)
