"""What the runs of whole auditions share."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from tests.short_audition import write_small_ratings


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_ratings(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def no_child_left(tmp_path: Path) -> Iterator[None]:
    """Whatever a run starts knows its MLflow, which lies in this test's folder: nothing that does may be alive."""
    yield
    left = []
    for process in psutil.process_iter():
        try:
            mine = any(str(tmp_path) in value for value in [*process.environ().values(), *process.cmdline()])
            if mine and process.pid != os.getpid():
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert left == []
