"""A stratified split holds out of each user's ratings of each value their share, as far as whole rows allow."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.splits import leaks, random_per_user, stratified

#: (user, rating): few of both, so that strata of every size occur.
LOGS = st.lists(st.tuples(st.integers(-1, 4), st.sampled_from([0.5, 3.0, 4.0, 5.0])), max_size=80).map(
    lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 2)
)


@given(LOGS, st.floats(0.05, 0.95), st.integers(0, 50))
def test_each_users_share_and_that_of_each_rating_are_held_out(
    log: npt.NDArray[np.float64], fraction: float, seed: int
) -> None:
    user, rating = log.T
    split = stratified(user, rating, fraction, seed)

    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(len(log)))
    for one in np.unique(user):
        n = int(np.count_nonzero(user == one))
        n_test = floor(fraction * n)
        assert np.count_nonzero(user[split.test] == one) == n_test
        for stars in np.unique(rating[user == one]):
            due = np.count_nonzero((user == one) & (rating == stars)) * n_test / n
            held_out = np.count_nonzero((user[split.test] == one) & (rating[split.test] == stars))
            assert floor(due) <= held_out <= ceil(due)
    assert leaks(split, user, np.zeros(len(log)), "stratified") == ()


def test_a_user_of_two_minds_is_judged_on_both() -> None:
    user, rating = np.zeros(20), np.repeat([1.0, 5.0], 10)

    for seed in range(20):
        assert rating[stratified(user, rating, 0.2, seed).test].tolist() == [1, 1, 5, 5]
    assert any(rating[random_per_user(user, 0.2, seed).test].tolist() != [1, 1, 5, 5] for seed in range(20))


def test_every_row_has_the_same_chance() -> None:
    user, rating = np.zeros(10), np.array([1, 2, 2, 3, 3, 3, 4, 4, 5, 5])
    held_out = np.zeros(10)
    for seed in range(2000):
        held_out[stratified(user, rating, 0.3, seed).test] += 1

    # Five binomial standard errors.
    assert np.abs(held_out / 2000 - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 2000)


def test_the_seed_decides() -> None:
    user, rating = np.repeat(np.arange(20), 30), np.tile(np.arange(1, 6), 120)

    assert np.array_equal(stratified(user, rating, 0.2, 1).test, stratified(user, rating, 0.2, 1).test)
    assert not np.array_equal(stratified(user, rating, 0.2, 1).test, stratified(user, rating, 0.2, 2).test)


def test_what_is_impossible_is_refused() -> None:
    assert [len(part) for part in stratified([], [], 0.2, 0)] == [0, 0]
    with pytest.raises(ValueError, match=r"test_fraction == 1\.0, must be > 0 and < 1"):
        stratified([1], [1], 1.0, 0)
    with pytest.raises(ValueError, match=r"user has shape \(2,\), rating \(1,\)"):
        stratified([1, 2], [1], 0.5, 0)
