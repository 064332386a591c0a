"""Splits hold out what they say, leak nothing, and the leak test catches splits that do."""

from __future__ import annotations

import doctest

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evaluation.splits
from evaluation.splits import Split, leaks, leave_last_n, random_per_user, temporal

#: Few users and few times, so that ties and short histories abound.
LOGS = st.lists(st.tuples(st.integers(-2, 5), st.integers(-3, 12)), max_size=60).map(
    lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2)
)


def positions(*rows: int) -> npt.NDArray[np.int64]:
    return np.array(rows, dtype=np.int64)


def test_doctests() -> None:
    assert doctest.testmod(evaluation.splits).failed == 0


@given(LOGS, st.integers(1, 5))
def test_leave_last_n_agrees_with_sorting_each_user_by_hand(log: npt.NDArray[np.int64], n: int) -> None:
    user, time = log.T
    expected: list[int] = []
    for one in set(user.tolist()):
        rows = sorted(np.flatnonzero(user == one).tolist(), key=lambda row: (time[row], row))
        expected += rows[-n:] if len(rows) > n else []

    split = leave_last_n(user, time, n)

    assert split.test.tolist() == sorted(expected)
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(log)))


@given(LOGS, st.integers(1, 5))
def test_leave_last_n_leaks_nothing(log: npt.NDArray[np.int64], n: int) -> None:
    user, time = log.T
    split = leave_last_n(user, time, n)

    assert leaks(split, user, time, "leave_last_n") == ()
    assert set(user[split.test]) <= set(user[split.train])


@given(LOGS, st.floats(0.01, 0.99))
def test_temporal_holds_out_the_latest_and_leaks_nothing(log: npt.NDArray[np.int64], test_fraction: float) -> None:
    user, time = log.T
    split = temporal(time, test_fraction)

    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(log)))
    assert len(split.test) >= test_fraction * len(log)
    assert leaks(split, user, time, "temporal") == ()
    if len(log):
        at_the_cut = time == time[split.test].min()
        assert len(split.test) - at_the_cut.sum() < max(test_fraction * len(log), 1)


@given(LOGS, st.integers(1, 3))
def test_leave_last_n_does_not_depend_on_what_users_are_called(log: npt.NDArray[np.int64], n: int) -> None:
    user, time = log.T
    names = np.array([f"user {-value}" for value in user.tolist()], dtype=object)

    np.testing.assert_array_equal(leave_last_n(names, time, n).test, leave_last_n(user, time, n).test)


def test_equal_times_keep_file_order() -> None:
    split = leave_last_n([1, 1, 1, 1], [5, 5, 5, 5], n=2)

    assert split.test.tolist() == [2, 3]


def test_users_with_no_more_than_n_rows_stay_in_train() -> None:
    split = leave_last_n([1, 1, 2, 2, 2], [1, 2, 1, 2, 3], n=2)

    assert split.train.tolist() == [0, 1, 2]
    assert split.test.tolist() == [3, 4]


def test_rows_at_the_cut_are_all_in_test() -> None:
    split = temporal([1, 2, 3, 3, 3, 3], test_fraction=0.2)

    assert split.test.tolist() == [2, 3, 4, 5]


def test_one_single_time_is_all_test() -> None:
    assert temporal([7, 7, 7], 0.5).train.tolist() == []


def test_no_rows_split_into_nothing() -> None:
    assert [len(part) for part in leave_last_n([], [], 3)] == [0, 0]
    assert [len(part) for part in temporal([], 0.5)] == [0, 0]
    assert leaks(Split(positions(), positions()), [], [], "temporal") == ()


@pytest.mark.parametrize("n", [0, -1])
def test_n_below_one_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"n == {n}, must be >= 1"):
        leave_last_n([1], [1], n)


@pytest.mark.parametrize("test_fraction", [0.0, 1.0, -0.2, float("nan")])
def test_a_test_fraction_out_of_range_is_refused(test_fraction: float) -> None:
    with pytest.raises(ValueError, match="must be > 0 and < 1"):
        temporal([1, 2], test_fraction)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"user has shape \(2,\), timestamp \(1,\)"):
        leave_last_n([1, 2], [1], 1)


USER = [1, 1, 1, 2, 2, 2]
TIME = [10, 20, 30, 15, 25, 35]


def test_a_row_on_both_sides_is_a_leak() -> None:
    split = Split(positions(0, 1, 2, 3, 4), positions(2, 5))

    for kind in ("leave_last_n", "temporal"):
        assert leaks(split, USER, TIME, kind)[0] == "1 rows are in train and in test, e.g. row 2"


def test_a_users_own_future_in_train_is_a_leak_of_leave_last_n() -> None:
    split = Split(positions(0, 2, 3, 4), positions(1, 5))

    assert leaks(split, USER, TIME, "leave_last_n") == (
        "1 users have a training row later than a test row, e.g. user 1",
    )


def test_another_users_future_in_train_leaks_only_under_a_temporal_split() -> None:
    split = leave_last_n(USER, TIME, 1)

    assert leaks(split, USER, TIME, "leave_last_n") == ()
    assert leaks(Split(positions(0, 1, 3, 4, 5), positions(2)), USER, TIME, "temporal") == (
        "training rows reach time 35, test rows begin at 30",
    )


def test_equal_times_on_both_sides_leak_only_under_a_temporal_split() -> None:
    split = Split(positions(0), positions(1))

    assert leaks(split, [1, 1], [5, 5], "leave_last_n") == ()
    assert leaks(split, [1, 1], [5, 5], "temporal") == ("training rows reach time 5, test rows begin at 5",)


@given(LOGS, st.integers(1, 3))
def test_swapping_one_pair_of_rows_over_the_cut_is_caught(log: npt.NDArray[np.int64], n: int) -> None:
    user, time = log[:, 0], np.arange(len(log)) * 3
    split = leave_last_n(user, time, n)
    if len(split.test):
        held_out = split.test[0]
        earlier = split.train[user[split.train] == user[held_out]][0]
        leaky = Split(
            np.sort(np.append(split.train[split.train != earlier], held_out)),
            np.sort(np.append(split.test[split.test != held_out], earlier)),
        )
        assert leaks(leaky, user, time, "leave_last_n") != ()


@given(st.lists(st.integers(0, 5), max_size=60), st.floats(0.05, 0.95), st.integers(0, 10))
def test_random_per_user_holds_out_that_share_of_each_users_rows(user: list[int], fraction: float, seed: int) -> None:
    rows = np.asarray(user, dtype=np.int64)
    split = random_per_user(rows, fraction, seed)

    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(len(rows)))
    for one in np.unique(rows):
        assert np.count_nonzero(rows[split.test] == one) == np.floor(fraction * np.count_nonzero(rows == one))
    assert leaks(split, rows, np.zeros(len(rows)), "random_per_user") == ()


def test_random_per_user_is_decided_by_its_seed() -> None:
    user = np.repeat(np.arange(20), 30)

    assert np.array_equal(random_per_user(user, 0.2, 1).test, random_per_user(user, 0.2, 1).test)
    assert not np.array_equal(random_per_user(user, 0.2, 1).test, random_per_user(user, 0.2, 2).test)


def test_random_per_user_refuses_an_impossible_share() -> None:
    with pytest.raises(ValueError, match=r"test_fraction == 1\.0"):
        random_per_user([1], 1.0, 0)


def test_a_user_without_a_past_is_a_leak_of_random_per_user() -> None:
    split = Split(np.array([0, 1]), np.array([2]))

    assert leaks(split, ["a", "a", "b"], [1, 2, 3], "random_per_user") == (
        "1 users have test rows but no training row, e.g. user b",
    )


def test_a_row_on_both_sides_is_a_leak_of_random_per_user() -> None:
    split = Split(np.array([0, 1]), np.array([1]))

    assert leaks(split, ["a", "a"], [1, 2], "random_per_user") == ("1 rows are in train and in test, e.g. row 1",)
