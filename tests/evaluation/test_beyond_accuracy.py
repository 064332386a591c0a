from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.beyond_accuracy import coverage


def test_coverage_by_hand() -> None:
    lists = np.array([[0, 1, 9], [1, 2, -1]])
    assert coverage(lists, n_items=10, k=2) == 0.3
    assert coverage(lists, n_items=10, k=3) == 0.4


def test_nothing_recommended_covers_nothing() -> None:
    assert coverage(np.full((3, 2), -1), n_items=4, k=2) == 0.0
    assert coverage(np.empty((0, 5), dtype=np.int64), n_items=4, k=5) == 0.0
    assert math.isnan(coverage(np.full((3, 2), -1), n_items=0, k=2))


@pytest.mark.parametrize(("lists", "k"), [([[0, 4]], 2), ([[0, -2]], 2), ([[0, 1]], 0)])
def test_what_is_outside_the_catalogue_is_refused(lists: list[list[int]], k: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        coverage(np.array(lists), n_items=4, k=k)
