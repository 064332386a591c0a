"""Two ways to the same features."""

from __future__ import annotations

import doctest

import numpy as np

from feature_repo import agreement
from feature_repo.agreement import disagreements

NAMES = ["one", "two"]


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(-1, 2)


def test_doctest() -> None:
    results = doctest.testmod(agreement)
    assert (results.attempted, results.failed) == (1, 0)


def test_equal_rows_agree_missing_values_included() -> None:
    same = rows([1, np.nan], [2, 3])
    assert disagreements(NAMES, ["a", "b"], same, same.copy()) == []
    assert disagreements(NAMES, [], rows(), rows()) == []


def test_the_tolerance() -> None:
    expected, found = rows([0, 1]), rows([0.9e-6, 1])
    assert disagreements(NAMES, ["a"], expected, found) == []
    assert len(disagreements(NAMES, ["a"], expected, found, tolerance=1e-7)) == 1


def test_the_worst_row_is_named() -> None:
    lines = disagreements(NAMES, ["a", "b", "c"], rows([1, 1], [1, 1], [1, 1]), rows([2, 1], [5, np.nan], [1, 1]))

    assert lines == [
        "one of b is 5, expected 1 (2 of 3 rows differ)",
        "two of b is nan, expected 1 (1 of 3 rows differ)",
    ]
