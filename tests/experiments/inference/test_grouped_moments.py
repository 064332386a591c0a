"""Moments of many groups at once are those of each group alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.inference.grouped_moments import grouped_moments
from experiments.inference.moments import Moments


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=30))
def test_each_group_alone(units: list[tuple[int, float, float]]) -> None:
    groups = np.array([unit[0] for unit in units], np.int64)
    rows = np.array([unit[1:] for unit in units]).reshape(-1, 2)
    for group, found in enumerate(grouped_moments(groups, rows, 4)):
        alone = Moments.from_rows(rows[groups == group])
        assert found.n == alone.n
        assert found.mean == pytest.approx(alone.mean, rel=1e-9, abs=1e-6, nan_ok=True)
        assert found.cross == pytest.approx(alone.cross, rel=1e-9, abs=1e-3)


def test_merged_groups_are_the_whole() -> None:
    rng = np.random.default_rng(1)
    groups, rows = rng.integers(0, 5, 1000), rng.normal(1e9, 1.0, (1000, 2))
    one, *others = grouped_moments(groups, rows, 5)
    for other in others:
        one = one.merge(other)
    assert one.covariance == pytest.approx(np.cov(rows.T), abs=1e-6)


@pytest.mark.parametrize(
    ("groups", "rows"),
    [([0, 2], [1.0, 1.0]), ([-1], [1.0]), ([0.5], [1.0]), ([0], [1.0, 2.0]), ([0], [np.nan]), ([[0]], [[1.0]])],
)
def test_what_does_not_fit_is_refused(groups: list[float], rows: list[float]) -> None:
    with pytest.raises(DataError):
        grouped_moments(groups, rows, 2)
