"""One process at a time: an advisory lock on a file, let go of in whatever way the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigError


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file; the file is made if it is missing, and may be left behind without harm.

    Args:
        path: The lock's file; its folder must exist.
        what: What only one process may do, for the message: ``simulation in runs/simulate``.

    Raises:
        ConfigError: Another process holds it.
        OSError: The file cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            raise ConfigError(f"{what} is under way in process {holder}; wait for it, or stop it") from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)
