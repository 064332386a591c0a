"""The splits behind published figures, so that ours can be laid beside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.ranks import rank_within
from evaluation.splits import Split, split_by

_MS75_SHARE, _MS75_SEED = 0.75, 42


def ms75(item: npt.ArrayLike) -> Split:
    """Train on three quarters of each item's ratings, to the row as recommenders-team's benchmark does.

    Their ``python_stratified_split(ratio=0.75, filter_by="item", seed=42)``: each row gets a number of NumPy's legacy
    generator in file order, rows are sorted by item and number, and the first round(0.75 n) of an item's n rows are
    train (halves round to even, as NumPy's ``round`` does). Order and generator decide, so rows must come in the
    file's order. ML-100K gives 75,066 training and 24,934 test rows.

    Args:
        item: (n_rows,) item ids of any sortable type, in file order.

    Returns:
        Every row once, in train or in test; both empty for no rows.

    >>> [part.tolist() for part in ms75([7, 7, 7, 7, 8])]
    [[0, 2, 3, 4], [1]]
    """
    ids = np.asarray(item)
    # An instance of the legacy generator draws what np.random.seed and np.random.rand do, and leaves the global alone.
    of_item = rank_within(ids, np.random.RandomState(_MS75_SEED).rand(len(ids)))
    return split_by(of_item.rank + 1 > np.round(_MS75_SHARE * of_item.size))


class ThreeWaySplit(NamedTuple):
    """Which rows a model learns from, is tuned on and is judged on; no row is in two of them.

    Attributes:
        train: (n_train,) int64 row positions, ascending.
        validation: (n_validation,) int64, ascending.
        test: (n_test,) int64, ascending.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    @property
    def known(self) -> npt.NDArray[np.int64]:
        """Train and validation together, ascending: what is masked in the lists that the test part judges."""
        return np.sort(np.concatenate([self.train, self.validation]))

    def for_tuning(self) -> Split:
        """Learn from train, judge on validation."""
        return Split(self.train, self.validation)

    def for_test(self) -> Split:
        """Learn from train and validation, judge on test."""
        return Split(self.known, self.test)


def full811(user: npt.ArrayLike, rating: npt.ArrayLike, seed: int, *, least: float = 3.0) -> ThreeWaySplit:
    """Each user's ratings of at least 3 in random order, a tenth to test, a tenth to validation (RecBole's RO_RS).

    Of a user's n such ratings, max(1, int(n / 10)) go to test and as many to validation; who has two gives one to
    test alone, who has one keeps it in train. Rows rated lower are in no part.

    The published protocol fits on ``train`` alone, ranks all items but those of ``known``, and judges on ``test``,
    over 5 seeds. RecBole shuffles with PyTorch's generator, so rows differ from theirs and figures agree within the
    spread of seeds. Where only train and test exist (the pipeline), ``for_test`` masks the same items, as what is seen
    is what is trained on; the model learns from an eighth more.

    Args:
        user: (n_rows,) user ids of any sortable type.
        rating: (n_rows,) ratings.
        seed: The same seed and rows give the same split.
        least: Ratings below are left out.

    Returns:
        Every row rated at least ``least`` once; empty parts for no such rows.

    Raises:
        ValueError: The arrays differ in length.
    """
    ids, stars = np.asarray(user), np.asarray(rating)
    if ids.shape != stars.shape or ids.ndim != 1:
        raise ValueError(f"user has shape {ids.shape}, rating {stars.shape}; both must be (n_rows,)")
    kept = np.flatnonzero(stars >= least).astype(np.int64)
    of_user = rank_within(ids[kept], np.random.default_rng(seed).random(len(kept)))
    tenth = np.maximum(of_user.size // 10, 1)
    n_test = np.where(of_user.size >= 2, tenth, 0)
    n_validation = np.where(of_user.size >= 3, tenth, 0)
    in_test = of_user.rank < n_test
    in_validation = ~in_test & (of_user.rank < n_test + n_validation)
    return ThreeWaySplit(kept[~in_test & ~in_validation], kept[in_validation], kept[in_test])
