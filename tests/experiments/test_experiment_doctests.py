"""The examples in the docstrings say what the functions return."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ("assignment", "bayesian", "clusters", "guardrails", "multiplicity", "sequential", "srm", "stratified")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"experiments.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
