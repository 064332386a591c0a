"""k-fold cross-validation: every row is held out once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.ranks import rank_within
from evaluation.splits import Split, split_by


def kfold(n_rows: int, n_folds: int, seed: int) -> list[Split]:
    """Deal the rows out at random into folds of equal size (they differ by one row at most).

    Asks how well ratings are foretold, as the published RMSE tables do: a user or item may be in test alone.

    Args:
        n_rows: Rows there are.
        n_folds: 2 … n_rows.
        seed: The same seed gives the same folds.

    Returns:
        (n_folds) splits; each row is in the test part of exactly one of them and in train of all others.

    Raises:
        ValueError: ``n_folds`` is out of range.

    >>> [split.test.tolist() for split in kfold(5, n_folds=2, seed=0)]
    [[1, 2, 3], [0, 4]]
    """
    if not 2 <= n_folds <= n_rows:
        raise ValueError(f"n_folds == {n_folds}, must be 2 … {n_rows}, the number of rows")
    fold = np.empty(n_rows, dtype=np.int64)
    fold[np.random.default_rng(seed).permutation(n_rows)] = np.arange(n_rows) % n_folds
    return [split_by(fold == number) for number in range(n_folds)]


def kfold_per_user(user: npt.ArrayLike, n_folds: int, seed: int) -> list[Split]:
    """Deal each user's rows out at random, so that everybody is judged in every fold as far as her rows go.

    Of a user's n rows floor or ceil of n / n_folds are in each fold; the folds that get one more differ from user to
    user. Who has a single row is never held out: she would be judged without a past.

    Args:
        user: (n_rows,) user ids of any sortable type.
        n_folds: At least 2.
        seed: The same seed and rows give the same folds.

    Returns:
        (n_folds) splits of all rows; each row of a user with two rows or more is in the test part of exactly one.

    Raises:
        ValueError: ``n_folds`` is below 2.

    >>> [split.test.tolist() for split in kfold_per_user(["a", "b", "a", "c", "a"], n_folds=3, seed=0)]
    [[4], [2], [0]]
    """
    if n_folds < 2:
        raise ValueError(f"n_folds == {n_folds}, must be >= 2")
    ids = np.asarray(user)
    rng = np.random.default_rng(seed)
    of_user = rank_within(ids, rng.random(len(ids)))
    n_users = int(of_user.code.max(initial=-1)) + 1
    fold = (of_user.rank + rng.integers(n_folds, size=n_users)[of_user.code]) % n_folds
    return [split_by((fold == number) & (of_user.size > 1)) for number in range(n_folds)]
