"""One process at a time: an advisory lock on a file, let go of in whatever way the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigError, ScreentestError


class FileLock:
    """Held from construction to ``release``, or until the process ends in whatever way.

    The lock is the kernel's (``flock``). The file's text names the holder; it may be left behind without harm.

    Args:
        path: The lock's file, made if it is missing; its folder must exist.
        refusal: What to raise where another process holds it, made from that one's id ("unknown" where it tells none).

    Raises:
        ScreentestError: ``refusal``'s.
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, refusal: Callable[[str], ScreentestError]) -> None:
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise refusal(holder) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have it. Safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file for the length of a block.

    Args:
        path: The lock's file; its folder must exist.
        what: What only one process may do, for the message: ``simulation in runs/simulate``.

    Raises:
        ConfigError: Another process holds it.
        OSError: The file cannot be made.
    """

    def refusal(holder: str) -> ConfigError:
        return ConfigError(f"{what} is under way in process {holder}; wait for it, or stop it")

    lock = FileLock(path, refusal)
    try:
        yield
    finally:
        lock.release()
