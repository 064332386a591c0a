"""Sound releases for tests to read and to spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_releases import LAYOUT_NAMES, write_release


@pytest.fixture(params=LAYOUT_NAMES)
def layout(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def release(layout: str, tmp_path: Path) -> Path:
    """A sound release of each layout, as a folder."""
    return write_release(layout, tmp_path / layout)


@pytest.fixture
def latest(tmp_path: Path) -> Path:
    """A sound ml-latest folder to spoil."""
    return write_release("ml-latest", tmp_path / "ml-latest")
