"""Negatives: never rated, every other item as likely as any, the same by seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from wrappers.negative_sampling import NegativeSampler


def history(rated: list[list[int]], n_items: int) -> sparse.csr_array:
    dense = np.zeros((len(rated), n_items), np.float32)
    for user, items in enumerate(rated):
        dense[user, items] = 1
    return sparse.csr_array(dense)


def test_unrated_items_are_equally_likely() -> None:
    sampler = NegativeSampler(history([[0, 2, 3, 7], [], [9]], 10))
    drawn = sampler.sample(np.repeat([0, 1, 2], 20_000), 3, np.random.default_rng(0)).reshape(3, -1)
    for user, unrated in enumerate(([1, 4, 5, 6, 8, 9], list(range(10)), list(range(9)))):
        item, count = np.unique(drawn[user], return_counts=True)
        assert item.tolist() == unrated
        expected = 60_000 / len(unrated)
        # 5 standard deviations of a binomial count.
        assert np.abs(count - expected).max() < 5 * np.sqrt(expected)


@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(2, 12))
def test_what_a_user_rated_is_never_drawn(seed: int, n_users: int, n_items: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((n_users, n_items)) < rng.random()
    dense[:, 0] = False
    sampler = NegativeSampler(sparse.csr_array(dense.astype(np.float32)))
    assert sampler.n_unrated.tolist() == (~dense).sum(axis=1).tolist()
    user = np.sort(rng.integers(0, n_users, 50))
    drawn = sampler.sample(user, 4, rng)
    assert drawn.shape == (50, 4)
    assert ((drawn >= 0) & (drawn < n_items)).all()
    assert not dense[user[:, np.newaxis], drawn].any()


def test_indices_need_not_be_sorted() -> None:
    unsorted = sparse.csr_array((np.ones(3, np.float32), np.array([4, 0, 2]), np.array([0, 3])), shape=(1, 5))
    drawn = NegativeSampler(unsorted).sample(np.zeros(100, np.int64), 1, np.random.default_rng(0))
    assert set(drawn.ravel().tolist()) == {1, 3}
    assert unsorted.indices.tolist() == [4, 0, 2], "its history is left as it was"


def test_the_seed_decides() -> None:
    sampler = NegativeSampler(history([[0], [1]], 50))
    first, again, other = (sampler.sample(np.array([0, 1]), 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nobody_gets_nothing() -> None:
    assert NegativeSampler(history([[0]], 3)).sample(np.empty(0, np.int64), 4, np.random.default_rng(0)).shape == (0, 4)


def test_a_user_who_rated_everything_is_refused() -> None:
    sampler = NegativeSampler(history([[0, 1], [0]], 2))
    with pytest.raises(ValueError, match="rated every item; leave out users whose n_unrated is 0"):
        sampler.sample(np.array([0, 1]), 1, np.random.default_rng(0))
