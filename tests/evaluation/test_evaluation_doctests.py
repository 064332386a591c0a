from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from evaluation import (
    beyond_accuracy,
    calibration,
    charts,
    folds,
    full_ranks,
    paired,
    pairwise,
    published_splits,
    randomisation,
    ranking,
    ranking_curves,
    ranks,
    rating_errors,
    segments,
    splits,
    summary,
    wilson,
)

MODULES = [
    beyond_accuracy,
    calibration,
    charts,
    folds,
    full_ranks,
    paired,
    pairwise,
    published_splits,
    randomisation,
    ranking,
    ranking_curves,
    ranks,
    rating_errors,
    segments,
    splits,
    summary,
    wilson,
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
