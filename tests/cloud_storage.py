"""Google Cloud Storage as a local emulator, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gcp_storage_emulator.server import create_server
from google.cloud import storage


@contextmanager
def emulator(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[storage.Bucket]:
    """An empty bucket, and every client of this process and its children directed to it."""
    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    # The emulator does not tell which port it was given.
    port = _port(server)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    try:
        yield storage.Client().create_bucket(bucket)
    finally:
        server.stop()


def _port(server: Any) -> int:
    return int(server._api._httpd.server_address[1])
