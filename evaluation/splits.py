"""Train and test as row positions, and the proof that neither sees the other's future.

Pure functions over arrays: they know users and times, not files or frames. Whatever a split does is checked
by ``leaks``, which does not know how the split was made.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

SplitKind = Literal["random_per_user", "leave_last_n", "temporal"]


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
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction == {test_fraction}, must be > 0 and < 1")
    ids = np.asarray(user)
    code, _ = _rows(ids, np.zeros(ids.shape))
    order = np.lexsort((np.random.default_rng(seed).random(len(code)), code))
    rows_of = np.bincount(code)
    begin = np.cumsum(rows_of) - rows_of
    sorted_code = code[order]
    held_out = np.zeros(len(code), dtype=bool)
    held_out[order] = np.arange(len(code)) - begin[sorted_code] < np.floor(test_fraction * rows_of[sorted_code])
    return _split(held_out)


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
    code, time = _rows(user, timestamp)
    order = np.lexsort((time, code))
    rows_of = np.bincount(code)
    end = np.cumsum(rows_of)
    sorted_code = code[order]
    rows_after = end[sorted_code] - 1 - np.arange(len(code))
    held_out = np.zeros(len(code), dtype=bool)
    held_out[order] = (rows_after < n) & (rows_of[sorted_code] > n)
    return _split(held_out)


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
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction == {test_fraction}, must be > 0 and < 1")
    time = np.asarray(timestamp)
    if time.size == 0:
        return _split(np.zeros(0, dtype=bool))
    n_test = max(int(np.ceil(test_fraction * len(time))), 1)
    cut = np.partition(time, len(time) - n_test)[len(time) - n_test]
    return _split(time >= cut)


def leaks(split: Split, user: npt.ArrayLike, timestamp: npt.ArrayLike, kind: SplitKind) -> tuple[str, ...]:
    """What a split lets the model know that it should not.

    Args:
        split: Positions into the rows below.
        user: (n_rows,) user ids.
        timestamp: (n_rows,) times.
        kind: ``random_per_user``: no row may be in both, and every user of test must have a past in train.
            ``leave_last_n``: no user may have a training row later than one of her test rows (equal times pass).
            ``temporal``: every training row must be strictly earlier than every test row.

    Returns:
        One sentence for each kind of leak; empty when there is none.

    Raises:
        ValueError: The arrays differ in length.
    """
    code, time = _rows(user, timestamp)
    found = []
    shared = np.intersect1d(split.train, split.test)
    if len(shared):
        found.append(f"{len(shared)} rows are in train and in test, e.g. row {shared[0]}")
    if len(split.train) and len(split.test):
        check = {"random_per_user": _no_past, "leave_last_n": _user_leak, "temporal": _global_leak}[kind]
        found += check(split, code, time, np.asarray(user))
    return tuple(found)


def _no_past(split: Split, code: npt.NDArray[np.int64], time: npt.NDArray[Any], user: npt.NDArray[Any]) -> list[str]:
    without = np.setdiff1d(code[split.test], code[split.train])
    if not len(without):
        return []
    example = user[np.argmax(code == without[0])]
    return [f"{len(without)} users have test rows but no training row, e.g. user {example}"]


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


def _global_leak(
    split: Split, code: npt.NDArray[np.int64], time: npt.NDArray[Any], user: npt.NDArray[Any]
) -> list[str]:
    latest_train, earliest_test = time[split.train].max(), time[split.test].min()
    if latest_train < earliest_test:
        return []
    return [f"training rows reach time {latest_train}, test rows begin at {earliest_test}"]


def _rows(user: npt.ArrayLike, timestamp: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """User codes 0 … n_users - 1, and times."""
    ids, time = np.asarray(user), np.asarray(timestamp)
    if ids.shape != time.shape or ids.ndim != 1:
        raise ValueError(f"user has shape {ids.shape}, timestamp {time.shape}; both must be (n_rows,)")
    if ids.size == 0:
        return np.zeros(0, dtype=np.int64), time
    return np.unique(ids, return_inverse=True)[1].astype(np.int64), time


def _split(held_out: npt.NDArray[np.bool_]) -> Split:
    return Split(np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64))
