"""A real browser for the pages the project writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.chromium import Browser

PACKAGE = "chromium is missing: the browser tests need it; apt-get install --yes chromium"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; where it is missing the test fails and says how to get it."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail(PACKAGE, pytrace=False)
    return program


@pytest.fixture
def browser(chromium: str, tmp_path: Path) -> Browser:
    """Chromium with a folder of its own."""
    return Browser(chromium, tmp_path)
