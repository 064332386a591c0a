"""One writer per event log: the advisory lock that refuses a second replica."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from core.errors import EventLogError


class WriterLock:
    """Held from construction to ``release``, or until the process ends in whatever way.

    The lock is the kernel's (``flock``), on a file beside the database; the file's text names the holder and may
    be left behind without harm.

    Args:
        database: The SQLite file to be written.

    Raises:
        EventLogError: Another process writes this log, or the lock file cannot be made.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".writer")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EventLogError(f"event log {database}: cannot make its lock file {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise EventLogError(
                f"event log {database} is already written by process {holder}; "
                "a SQLite log has one policy server: stop that one, or give this one a database of its own"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process write."""
        os.close(self._file)
