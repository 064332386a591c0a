"""Fixtures for tests on a real MLflow: its schema is made once, because that takes seconds. Conftests import them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracking.client import Tracker, connect, database_uri

_made: list[Path] = []


@contextmanager
def environment_kept() -> Iterator[None]:
    """What is set within is not seen behind it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def environment_put_back() -> Iterator[None]:
    """Connecting sets MLFLOW_… for child processes; the next test must not see it."""
    with environment_kept():
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and no experiment of ours; one, whichever conftest's fixture this is."""
    if not _made:
        folder = tmp_path_factory.mktemp("mlflow_schema") / "made" / "on use"
        with environment_kept():
            connect(database_uri(folder), experiment="made with the schema")
        _made.append(folder / "mlflow.db")
    return _made[0]


@pytest.fixture
def tracker(empty_database: Path, tmp_path: Path) -> Tracker:
    """A fresh MLflow of this test's own."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return connect(database_uri(folder))
