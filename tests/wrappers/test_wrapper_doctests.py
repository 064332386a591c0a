"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from wrappers import base, blocks, item_terms, list_qualities, padded_rows, reason_words, standard_scores, top_k


@pytest.mark.parametrize(
    "module",
    [base, blocks, item_terms, list_qualities, padded_rows, reason_words, standard_scores, top_k],
    ids=lambda module: module.__name__,
)
def test_docstring_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
