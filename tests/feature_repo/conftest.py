"""One real Redis per test process, ended with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import Impostor, empty_database, running_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """An empty database for one test; modules that keep one of their own take another number."""
    return empty_database(redis_server, 0)


@pytest.fixture
def silent() -> Iterator[Impostor]:
    """Accepts, and never answers."""
    impostor = Impostor()
    yield impostor
    impostor.close()


@pytest.fixture
def web_server() -> Iterator[Impostor]:
    """Answers as an HTTP server does."""
    impostor = Impostor(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    yield impostor
    impostor.close()
