"""A real redis-server that tests may kill, freeze and start again at the same address."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from core.errors import FeatureStoreError
from feature_repo.redis_client import check, connect
from serving.processes import poll

_START_S = 30
_PROGRAM = "redis-server"


class RealRedis:
    """A redis-server on a port of its own; it keeps nothing when it ends.

    Args:
        folder: For its log.
        options: Further arguments, e.g. ``--requirepass secret``.
        credentials: What the URL needs before the host, e.g. ``:secret@``.
    """

    def __init__(self, folder: Path, *options: str, credentials: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://{credentials}127.0.0.1:{self.port}/0"
        self._log = folder / "redis.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and return once it answers."""
        program = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=str(Path(sys.executable).parent))
        assert program, f"no {_PROGRAM} on PATH or beside {sys.executable}"
        with self._log.open("ab") as log:
            arguments = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._log.parent))
            self._process = subprocess.Popen([program, *arguments, *self._options], stdout=log, stderr=log)
        assert poll(self._answers, _START_S), self._log.read_text()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and answer none of them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """A client that waits long enough for a busy machine."""
        return connect(self.url, timeout_s=_START_S)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            check(self.url, timeout_s=_START_S)
        except FeatureStoreError:
            return False
        return True


@contextmanager
def real_redis(folder: Path, *options: str, credentials: str = "") -> Iterator[RealRedis]:
    """One that runs; gone at the end of the block, whatever became of it."""
    server = RealRedis(folder, *options, credentials=credentials)
    server.start()
    try:
        yield server
    finally:
        server.kill()
