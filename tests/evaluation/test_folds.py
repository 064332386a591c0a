"""Folds cover every row once, are of equal size, and per user leave everybody a past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.folds import kfold, kfold_per_user
from evaluation.splits import leaks

USERS = st.lists(st.integers(0, 6), max_size=70).map(lambda rows: np.array(rows, dtype=np.int64))


@given(st.integers(2, 80), st.integers(2, 10), st.integers(0, 20))
def test_each_row_is_held_out_once(n_rows: int, n_folds: int, seed: int) -> None:
    n_folds = min(n_folds, n_rows)
    folds = kfold(n_rows, n_folds, seed)

    assert len(folds) == n_folds
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(n_rows))
    assert {len(fold.test) for fold in folds} <= {n_rows // n_folds, -(-n_rows // n_folds)}
    for fold in folds:
        assert np.array_equal(np.sort(np.concatenate(fold)), np.arange(n_rows))
        assert leaks(fold, np.arange(n_rows), np.zeros(n_rows), "kfold") == ()


@given(USERS, st.integers(2, 6), st.integers(0, 20))
def test_each_users_rows_are_spread_over_the_folds(user: np.ndarray, n_folds: int, seed: int) -> None:
    folds = kfold_per_user(user, n_folds, seed)
    n_rows = np.bincount(user, minlength=7)

    held_out = np.sort(np.concatenate([fold.test for fold in folds]))
    assert np.array_equal(held_out, np.flatnonzero(n_rows[user] > 1))
    for fold in folds:
        assert np.array_equal(np.sort(np.concatenate(fold)), np.arange(len(user)))
        assert leaks(fold, user, np.zeros(len(user)), "kfold_per_user") == ()
        in_fold = np.bincount(user[fold.test], minlength=7)
        with_past = n_rows > 1
        assert (in_fold[with_past] >= n_rows[with_past] // n_folds).all()
        assert (in_fold[with_past] <= -(-n_rows[with_past] // n_folds)).all()


def test_users_of_few_rows_do_not_all_land_in_the_first_folds() -> None:
    user = np.repeat(np.arange(3000), 2)
    sizes = [len(fold.test) for fold in kfold_per_user(user, 5, seed=0)]

    # 1,200 are due in each; five standard errors of a binomial of 3,000 users with chance 2/5.
    assert max(abs(size - 1200) for size in sizes) < 5 * np.sqrt(3000 * 0.4 * 0.6)


def test_the_seed_decides_the_folds() -> None:
    user = np.repeat(np.arange(10), 10)
    for fold in (lambda seed: kfold(100, 5, seed)[0], lambda seed: kfold_per_user(user, 5, seed)[0]):
        assert np.array_equal(fold(1).test, fold(1).test)
        assert not np.array_equal(fold(1).test, fold(2).test)


def test_impossible_numbers_of_folds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n_folds == 1, must be 2 … 10, the number of rows"):
        kfold(10, 1, 0)
    with pytest.raises(ValueError, match=r"n_folds == 11, must be 2 … 10"):
        kfold(10, 11, 0)
    with pytest.raises(ValueError, match=r"n_folds == 1, must be >= 2"):
        kfold_per_user([1, 1], 1, 0)
    assert [len(fold.test) for fold in kfold_per_user([], 3, 0)] == [0, 0, 0]
