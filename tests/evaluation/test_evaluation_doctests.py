from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from evaluation import beyond_accuracy, folds, paired, published_splits, ranking, ranks, splits, summary


@pytest.mark.parametrize("module", [beyond_accuracy, folds, paired, published_splits, ranking, ranks, splits, summary])
def test_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
