"""Every model file is registered, and nothing else is."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

import wrappers
from core.errors import UnknownName
from wrappers.base import ModelWrapper
from wrappers.registry import MODELS, model, model_names


def test_every_concrete_model_in_the_folder_is_registered() -> None:
    folder = Path(next(iter(wrappers.__path__)))
    found = set()
    for path in sorted(folder.glob("*.py")):
        module = import_module(f"wrappers.{path.stem}")
        for name, member in inspect.getmembers(module, inspect.isclass):
            is_model = issubclass(member, ModelWrapper) and not inspect.isabstract(member)
            if is_model and member.__module__ == module.__name__:
                found.add(f"{module.__name__}:{name}")
    assert found == set(MODELS.values())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown model 'eas'; known: als, .*ease, .*item_knn, .*lightgbm, .*logreg, "
    ):
        model("eas")


def test_the_names_listed_are_those_that_resolve() -> None:
    assert model_names() == sorted(MODELS)
    assert all(model(name).__doc__ for name in model_names())
