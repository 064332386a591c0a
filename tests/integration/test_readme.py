"""What the README tells a newcomer to do works as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.small_interactions import random_interactions
from wrappers.artifact import load_wrapper
from wrappers.registry import MODELS, model

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_model_in_the_readme_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    line = re.search(r'`"(\w+)": "([\w.]+):(\w+)",`', README)
    assert code is not None
    assert line is not None
    name, module_name, class_name = line.groups()
    module = ModuleType(module_name)
    exec(code[1], module.__dict__)
    monkeypatch.setitem(sys.modules, module_name, module)
    monkeypatch.setitem(MODELS, name, f"{module_name}:{class_name}")

    fitted = model(name)().fit(random_interactions())
    fitted.save(tmp_path / "saved")

    users = fitted.known.users.ids
    again = load_wrapper(tmp_path / "saved").recommend(users, 5)
    np.testing.assert_array_equal(again.item_index, fitted.recommend(users, 5).item_index)
    assert (again.item_index[:, 0] >= 0).all()


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check", "--diff")], ids=["check", "format"])
def test_the_model_in_the_readme_is_in_the_style_of_the_house(arguments: tuple[str, ...]) -> None:
    """Who pastes it is not told off by ``make lint``."""
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--stdin-filename", "wrappers/together.py", "-"]
    linted = subprocess.run(command, input=code, cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_files_and_targets_that_the_readme_names_exist() -> None:
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9-]+)", README)) <= targets
