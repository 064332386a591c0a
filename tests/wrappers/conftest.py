"""A real MLflow for tests of what models log and register."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tracking.client import Tracker, connect, database_uri


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's schema, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("mlflow_schema")
    connect(database_uri(folder), experiment="made with the schema")
    return folder / "mlflow.db"


@pytest.fixture
def tracker(empty_database: Path, tmp_path: Path) -> Tracker:
    """A fresh MLflow of this test's own, on SQLite."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return connect(database_uri(folder))
