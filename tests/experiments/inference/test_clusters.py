"""Moments of clustered counts."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.inference.clusters import ClusterMoments

N_STEPS = 3
row = st.tuples(st.integers(0, 9), st.integers(0, N_STEPS - 1), st.integers(0, 5), st.floats(0, 1)).map(
    lambda cells: (cells[0], cells[1], cells[2], round(cells[2] * cells[3]))
)
rows = st.lists(row, max_size=30)


def moments(given_rows: list[tuple[int, int, int, int]]) -> ClusterMoments:
    unit, step, n, y = (list(column) for column in zip(*given_rows, strict=True)) if given_rows else ([], [], [], [])
    return ClusterMoments.from_rows(unit, step, n, y, N_STEPS)


def assert_equal(one: ClusterMoments, two: ClusterMoments) -> None:
    assert one.n_clusters == two.n_clusters
    assert one.sums.tolist() == two.sums.tolist()
    assert one.cross.tolist() == two.cross.tolist()


@given(rows)
def test_against_a_plain_loop(given_rows: list[tuple[int, int, int, int]]) -> None:
    z: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(2 * N_STEPS))
    for unit, step, n, y in given_rows:
        z[unit][step] += y
        z[unit][N_STEPS + step] += n
    seen = [vector for vector in z.values() if vector[N_STEPS:].any()]
    expected = ClusterMoments(
        len(seen),
        sum(seen, np.zeros(2 * N_STEPS)),
        sum((np.outer(vector, vector) for vector in seen), np.zeros((2 * N_STEPS, 2 * N_STEPS))),
    )
    assert_equal(moments(given_rows), expected)


@given(rows, st.integers(1, 9))
def test_merging_parts_gives_the_whole(given_rows: list[tuple[int, int, int, int]], border: int) -> None:
    """Whoever aggregates: as long as a unit is in one part, parts add up."""
    low = moments([cells for cells in given_rows if cells[0] < border])
    high = moments([cells for cells in given_rows if cells[0] >= border])
    assert_equal(low.merge(high), moments(given_rows))


@given(rows, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(given_rows: list[tuple[int, int, int, int]], random: Random) -> None:
    shuffled = list(given_rows)
    random.shuffle(shuffled)
    assert_equal(moments(shuffled), moments(given_rows))


def test_no_rows_are_empty() -> None:
    assert_equal(moments([]), ClusterMoments.empty(N_STEPS))
    assert ClusterMoments.empty(N_STEPS).n_steps == N_STEPS


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (([0], [0, 1], [1], [1]), "1, 2, 1, 1 rows"),
        (([-1], [0], [1], [1]), "unit_index holds -1"),
        (([0], [3], [1], [1]), "step runs from 3 to 3; allowed are 0 … 2"),
        (([0], [0], [1], [2]), "y must lie in 0 … n"),
        (([0], [0], [1], [np.nan]), "y must lie in 0 … n"),
    ],
)
def test_bad_rows_are_refused(columns: tuple[list[float], ...], problem: str) -> None:
    unit, step, n, y = columns
    with pytest.raises(DataError, match=problem):
        ClusterMoments.from_rows(unit, step, n, y, N_STEPS)


def test_different_steps_do_not_merge() -> None:
    with pytest.raises(DataError, match="2 and 3 steps"):
        ClusterMoments.empty(2).merge(ClusterMoments.empty(3))
