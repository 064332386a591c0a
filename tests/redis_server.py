"""Real Redis for tests, and things that only look like one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import load_settings
from feature_repo.redis_client import BULK_TIMEOUT_S, connect
from serving.redis_process import redis_for


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Address of an embedded Redis on a free port, whatever REDIS_URL the developer has; gone after the block."""
    with redis_for(load_settings(redis_url=""), folder) as redis:
        yield redis.url


def empty_database(url: str, number: int) -> str:
    """Address of one of the 16 databases of a Redis, with nothing in it."""
    address = f"{url.rpartition('/')[0]}/{number}"
    with connect(address, timeout_s=BULK_TIMEOUT_S) as client:
        client.flushdb()
    return address


def dead_url() -> str:
    """An address where nobody listens, with a password that no message may show."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://:hush@127.0.0.1:{probe.getsockname()[1]}/0"


class Impostor:
    """Takes connections and answers each once with the same bytes, or never.

    Args:
        answer: Sent to whatever is asked; empty: nothing is ever said.
    """

    def __init__(self, answer: bytes = b"") -> None:
        self.connections = 0
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"redis://:hush@127.0.0.1:{self._listening.getsockname()[1]}/0"

    def close(self) -> None:
        """Hang up."""
        # Closing alone would leave the thread waiting in accept.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            if self._answer:
                connection.sendall(self._answer)
