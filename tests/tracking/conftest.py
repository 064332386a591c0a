"""A real MLflow on SQLite; its schema is made once, because that takes seconds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tracking.client import Tracker, connect, database_uri
from tracking.models import log_model
from tracking.runs import new_run


@contextmanager
def _environment_put_back() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def environment_put_back() -> Iterator[None]:
    """Connecting sets MLFLOW_… for child processes; the next test must not see it."""
    with _environment_put_back():
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and no experiment of ours."""
    folder = tmp_path_factory.mktemp("mlflow_schema") / "made" / "on use"
    with _environment_put_back():
        connect(database_uri(folder), experiment="made with the schema")
    return folder / "mlflow.db"


@pytest.fixture
def tracker(empty_database: Path, tmp_path: Path) -> Tracker:
    """A fresh MLflow of this test's own."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return connect(database_uri(folder))


@pytest.fixture
def train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Tracker, str], str]:
    """Logs a small model of a given kind as a finished run, and gives the run's id."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "echo_loader.py").write_text(
        "class Echo:\n"
        "    def predict(self, model_input, params=None):\n"
        "        return ['seen'] * len(model_input)\n\n"
        "def _load_pyfunc(path):\n"
        "    return Echo()\n"
    )
    monkeypatch.syspath_prepend(str(modules))

    def run(tracker: Tracker, kind: str) -> str:
        folder = tmp_path / f"artifact_{kind}"
        folder.mkdir()
        (folder / "model.json").write_text(f'{{"model": "{kind}"}}')
        with new_run(tracker, kind) as run_id:
            log_model(
                tracker,
                run_id,
                folder,
                loader_module="echo_loader",
                input_example=[{"user_id": 1, "k": 10}],
                output_example=["seen"],
                requirements=["numpy==2.4.6"],
            )
        return run_id

    return run


@pytest.fixture
def train(tracker: Tracker, train_on: Callable[[Tracker, str], str]) -> Callable[[str], str]:
    """``train_on`` this test's own MLflow."""
    return partial(train_on, tracker)
