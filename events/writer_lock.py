"""One writer per SQLite event log: the advisory lock that refuses a second replica."""

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
        database: The SQLite file to be written; it exists.

    Raises:
        EventLogError: Another process writes this log, or the lock file cannot be made.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".writer")
        try:
            self._lock: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EventLogError(f"event log {database}: cannot make its lock file {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._lock, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise EventLogError(
                f"event log {database} is already written by process {holder}; "
                "a SQLite log has one policy server: stop that one, give this one a database of its own, or use "
                "PostgreSQL, which takes several"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._database = database
        self._identity = _identity(database)

    def check(self) -> None:
        """See that the file is still the one that was locked.

        Raises:
            EventLogError: It was removed or replaced; SQLite would go on writing into the deleted file, and
                acknowledge what nobody can ever read.
        """
        if _identity(self._database) != self._identity:
            raise EventLogError(f"event log {self._database} was removed or replaced; restart the policy server")

    def release(self) -> None:
        """Let another process write. Safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
