"""Train and test as row positions, and the proof that neither sees the other's future.

Pure functions over arrays: they know users and times, not files or frames. Whatever a split does is checked
by ``leaks``, which does not know how the split was made.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.ranks import codes, rank_within

SplitKind = Literal[
    "random_per_user", "stratified", "leave_last_n", "temporal", "kfold", "kfold_per_user", "ms75", "full811"
]


class Split(NamedTuple):
    """Which rows a model learns from and which it is judged on.

    Attributes:
        train: (n_train,) int64 row positions, ascending.
        test: (n_test,) int64 row positions, ascending; none of them in ``train``.
    """

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def random_per_user(user: npt.ArrayLike, test_fraction: float, seed: int) -> Split:
    """Hold out a random share of each user's rows.

    Asks whether a model knows a taste, not whether it foresees how tastes change: train and test are of the same
    time. A user's held-out rows are rounded down, so that everybody keeps a past.

    Args:
        user: (n_rows,) user ids of any sortable type.
        test_fraction: Share of each user's rows, 0 < test_fraction < 1.
        seed: The same seed and rows give the same split.

    Returns:
        Every row once, in train or in test; both empty for no rows.

    Raises:
        ValueError: ``test_fraction`` is out of range.

    >>> [part.tolist() for part in random_per_user(["a", "b", "a", "a", "b"], test_fraction=0.5, seed=1)]
    [[0, 1, 3], [2, 4]]
    """
    _check_fraction(test_fraction)
    ids = np.asarray(user)
    of_user = rank_within(ids, np.random.default_rng(seed).random(len(ids)))
    return split_by(of_user.rank < np.floor(test_fraction * of_user.size))


def stratified(user: npt.ArrayLike, rating: npt.ArrayLike, test_fraction: float, seed: int) -> Split:
    """Hold out a random share of each user's rows that is spread over her ratings as all her rows are.

    ``random_per_user`` may by chance hold out only what a user disliked. Here her rows stand in order of rating
    (equal ones shuffled) and are taken at equal steps from a random start (systematic sampling, Cochran 1977, ch. 8):
    of the m rows that one user rated r, floor or ceil of m n_test / n go to test, where n_test = floor(test_fraction n)
    is what is held out of her n rows.

    Args:
        user: (n_rows,) user ids of any sortable type.
        rating: (n_rows,) ratings.
        test_fraction: Share of each user's rows, 0 < test_fraction < 1.
        seed: The same seed and rows give the same split.

    Returns:
        Every row once, in train or in test; both empty for no rows.

    Raises:
        ValueError: ``test_fraction`` is out of range, or the arrays differ in length.

    >>> [part.tolist() for part in stratified(["a"] * 6, [1, 5, 1, 5, 1, 5], test_fraction=0.4, seed=1)]
    [[0, 1, 3, 4], [2, 5]]
    """
    _check_fraction(test_fraction)
    ids, stars = _same_length("rating", user, rating)
    rng = np.random.default_rng(seed)
    of_user = rank_within(ids, stars, rng.random(len(ids)))
    n_test = np.floor(test_fraction * of_user.size).astype(np.int64)
    n_users = int(of_user.code.max(initial=-1)) + 1
    # In whole numbers, so that exactly n_test multiples of the size lie in a user's range whatever the start.
    start = np.floor(rng.random(n_users)[of_user.code] * of_user.size).astype(np.int64)
    position = of_user.rank * n_test + start
    return split_by((position + n_test) // np.maximum(of_user.size, 1) > position // np.maximum(of_user.size, 1))


def leave_last_n(user: npt.ArrayLike, timestamp: npt.ArrayLike, n: int) -> Split:
    """Hold out each user's latest ``n`` rows.

    A user with ``n`` rows or fewer stays in train whole: held out, she would be judged without a past. Rows of
    one user with equal times keep the order given, so the held-out ones are the last of them.

    Args:
        user: (n_rows,) user ids of any sortable type.
        timestamp: (n_rows,) times, any unit.
        n: Rows held out per user, >= 1.

    Returns:
        Every row once, in train or in test; both empty for no rows.

    Raises:
        ValueError: ``n`` is below 1, or the arrays differ in length.

    >>> leave_last_n(["a", "b", "a", "a"], [3, 1, 2, 1], n=1)
    Split(train=array([1, 2, 3]), test=array([0]))
    """
    if n < 1:
        raise ValueError(f"n == {n}, must be >= 1")
    ids, time = _same_length("timestamp", user, timestamp)
    of_user = rank_within(ids, time)
    return split_by((of_user.rank >= of_user.size - n) & (of_user.size > n))


def temporal(timestamp: npt.ArrayLike, test_fraction: float) -> Split:
    """Hold out everything from one moment on, for all users alike.

    The cut is the time of the earliest of the latest ``test_fraction`` of rows. Rows at the cut itself go to test,
    all of them: train lies strictly before test, and test may be larger than asked for (with one single time
    throughout, it is everything).

    Args:
        timestamp: (n_rows,) times, any unit.
        test_fraction: Share of rows to hold out, 0 < test_fraction < 1; rounded up to whole rows.

    Returns:
        Every row once, in train or in test; both empty for no rows.

    Raises:
        ValueError: ``test_fraction`` is out of range.

    >>> temporal([10, 40, 20, 30], test_fraction=0.5)
    Split(train=array([0, 2]), test=array([1, 3]))
    """
    _check_fraction(test_fraction)
    time = np.asarray(timestamp)
    if time.size == 0:
        return split_by(np.zeros(0, dtype=bool))
    n_test = max(int(np.ceil(test_fraction * len(time))), 1)
    cut = np.partition(time, len(time) - n_test)[len(time) - n_test]
    return split_by(time >= cut)


def leaks(
    split: Split, user: npt.ArrayLike, timestamp: npt.ArrayLike, kind: SplitKind, item: npt.ArrayLike | None = None
) -> tuple[str, ...]:
    """What a split lets the model know that it should not.

    No row may be in train and in test, whatever the kind. A split drawn at random per user
    (``random_per_user``, ``stratified``, ``kfold_per_user``, ``full811``) must leave every user of test a past in
    train; ``ms75``, drawn per item, every item of test a training row. ``leave_last_n``: no user may have a training
    row later than one of her test rows (equal times pass). ``temporal``: every training row must be strictly earlier
    than every test row. ``kfold``, drawn over rows alone, promises no more than that no row is in both.

    Args:
        split: Positions into the rows below.
        user: (n_rows,) user ids.
        timestamp: (n_rows,) times.
        kind: How the split was meant.
        item: (n_rows,) item ids; needed for ``ms75`` alone.

    Returns:
        One sentence for each kind of leak; empty when there is none.

    Raises:
        ValueError: The arrays differ in length, or ``item`` is missing where it is needed.
    """
    ids, time = _same_length("timestamp", user, timestamp)
    found = []
    shared = np.intersect1d(split.train, split.test)
    if len(shared):
        found.append(f"{len(shared)} rows are in train and in test, e.g. row {shared[0]}")
    if not (len(split.train) and len(split.test)):
        return tuple(found)
    if kind == "leave_last_n":
        found += _user_leak(split, codes(ids), time, ids)
    elif kind == "temporal":
        found += _global_leak(split, time)
    elif kind == "ms75":
        if item is None:
            raise ValueError("item is None; the leaks of ms75 cannot be told without the items")
        found += _unseen(split, _same_length("item", ids, item)[1], "items")
    elif kind != "kfold":
        found += _unseen(split, ids, "users")
    return tuple(found)


def _unseen(split: Split, ids: npt.NDArray[Any], what: str) -> list[str]:
    """Users or items that are in test and not in train."""
    code = codes(ids)
    without = np.setdiff1d(code[split.test], code[split.train])
    if not len(without):
        return []
    example = ids[np.argmax(code == without[0])]
    return [f"{len(without)} {what} have test rows but no training row, e.g. {what[:-1]} {example}"]


def _user_leak(split: Split, code: npt.NDArray[np.int64], time: npt.NDArray[Any], user: npt.NDArray[Any]) -> list[str]:
    n_users = int(code.max()) + 1
    latest_train = np.full(n_users, time.min())
    np.maximum.at(latest_train, code[split.train], time[split.train])
    earliest_test = np.full(n_users, time.max())
    np.minimum.at(earliest_test, code[split.test], time[split.test])
    leaking = np.flatnonzero(latest_train > earliest_test)
    if not len(leaking):
        return []
    example = user[np.argmax(code == leaking[0])]
    return [f"{len(leaking)} users have a training row later than a test row, e.g. user {example}"]


def _global_leak(split: Split, time: npt.NDArray[Any]) -> list[str]:
    latest_train, earliest_test = time[split.train].max(), time[split.test].min()
    if latest_train < earliest_test:
        return []
    return [f"training rows reach time {latest_train}, test rows begin at {earliest_test}"]


def split_by(held_out: npt.NDArray[np.bool_]) -> Split:
    """The split whose test rows are those marked in an (n_rows,) mask."""
    return Split(np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64))


def _check_fraction(test_fraction: float) -> None:
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction == {test_fraction}, must be > 0 and < 1")


def _same_length(name: str, user: npt.ArrayLike, other: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    ids, values = np.asarray(user), np.asarray(other)
    if ids.shape != values.shape or ids.ndim != 1:
        raise ValueError(f"user has shape {ids.shape}, {name} {values.shape}; both must be (n_rows,)")
    return ids, values
