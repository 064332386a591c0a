"""A real MLflow on SQLite, and small models logged to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.mlflow_on_sqlite import empty_database as empty_database
from tests.mlflow_on_sqlite import environment_put_back as environment_put_back
from tests.mlflow_on_sqlite import tracker as tracker
from tracking.client import Tracker
from tracking.models import log_model
from tracking.runs import new_run


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
    monkeypatch.setattr("tracking.models.LOADER_MODULES", frozenset({"echo_loader"}))

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
