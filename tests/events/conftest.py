"""The event database of a test: an empty one on SQLite, and one on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real_postgres import RealPostgres


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'events.db'}"


@pytest.fixture
def postgres_url(postgres: RealPostgres) -> str:
    return postgres.new_log()


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    """The test runs on both."""
    return request.getfixturevalue(request.param)
