"""The examples in the docstrings say what the functions return, in every module that has some."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import experiments

MODULES = sorted(module.name for module in pkgutil.walk_packages(experiments.__path__, "experiments."))


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.failed == 0
    assert (result.attempted > 0) == (">>>" in inspect.getsource(module))


def test_most_modules_have_examples() -> None:
    shown = [name for name in MODULES if ">>>" in inspect.getsource(importlib.import_module(name))]
    assert len(shown) >= 85
