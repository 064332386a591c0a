"""Every policy's file is registered, under the policy's own name."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from core.errors import ConfigError, UnknownName
from experiments import bandits
from experiments.bandits import registry
from experiments.bandits.base import Policy
from experiments.bandits.registry import BANDITS, bandit, bandit_names, restored


def test_every_policy_is_registered() -> None:
    found = set()
    for file in Path(bandits.__file__).parent.glob("*.py"):
        module = import_module(f"experiments.bandits.{file.stem}")
        for name, value in vars(module).items():
            is_policy = isinstance(value, type) and issubclass(value, Policy) and not inspect.isabstract(value)
            if is_policy and value.__module__ == module.__name__:
                found.add(f"{module.__name__}:{name}")
    assert found == set(BANDITS.values())
    assert all(bandit(name).name == name for name in BANDITS)
    assert set(BANDITS) <= set(bandit_names())


def test_unknown_policies_are_told() -> None:
    with pytest.raises(UnknownName, match=r"unknown bandit 'ucb2'; known: .*ucb1.*registry\.py"):
        bandit("ucb2")
    with pytest.raises(UnknownName):
        restored({})


def test_something_else_is_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BANDITS, "odd", "experiments.bandits.memory:Memory")
    with pytest.raises(ConfigError, match="is not a Policy"):
        bandit("odd")
