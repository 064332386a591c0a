"""Feast is imported in one place, when first needed, and leaves the process as it found it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
THE_PLACE = Path("feature_repo/lazy_feast.py")
#: Feast itself imports these two by name, so they ask for it at once.
FEASTS_OWN = {"feature_repo.definitions", "feature_repo.online_store"}

IMPORT_ALL = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
print(sorted(name for name in sys.modules if name.partition(".")[0] == "feast"))
"""
IMPORT_FEAST = """
import os
before = dict(os.environ)
from feature_repo.lazy_feast import feast
assert feast().FeatureStore and feast("errors").FeastError and feast() is feast()
import prometheus_client.values
print(dict(os.environ) == before, prometheus_client.values.ValueClass.__name__)
"""


def packages() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return set(settings["tool"]["importlinter"]["root_packages"])


def asked_of_python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_no_other_file_names_it() -> None:
    files = [file for package in packages() for file in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8")
        imported = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(text))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert "feast" not in imported, file
        if file.relative_to(ROOT) != THE_PLACE:
            assert 'import_module("feast' not in text, file
    assert "import_module(" in (ROOT / THE_PLACE).read_text(encoding="utf-8")


def test_importing_what_uses_it_does_not_import_it() -> None:
    modules = {f"feature_repo.{file.stem}" for file in (ROOT / "feature_repo").glob("*.py")} - FEASTS_OWN
    assert {"feature_repo.store", "feature_repo.declare"} <= modules

    users = ("cli.features", "components.build_features", "serving.redis_process", "serving.feature_lookup")

    assert asked_of_python(IMPORT_ALL, *sorted(modules), *users) == "[]"


def test_importing_it_changes_neither_the_environment_nor_metrics() -> None:
    assert asked_of_python(IMPORT_FEAST) == "True MutexValue"
