"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def movielens() -> Path:
    """The real MovieLens file (ml-latest-small as zip) named by $SCREENTEST_TEST_DATA."""
    path = os.environ.get("SCREENTEST_TEST_DATA", "")
    if not path:
        pytest.skip("SCREENTEST_TEST_DATA is not set: name ml-latest-small.zip to run the tests on real ratings")
    found = Path(path)
    assert found.exists(), f"SCREENTEST_TEST_DATA={path} does not exist"
    return found
