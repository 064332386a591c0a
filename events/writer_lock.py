"""One writer per SQLite event log: the advisory lock that refuses a second replica."""

from __future__ import annotations

from pathlib import Path

from core.errors import EventLogError
from core.file_lock import FileLock


class WriterLock:
    """Held from construction to ``release``, or until the process ends in whatever way.

    Args:
        database: The SQLite file to be written; it exists. The lock's file lies beside it.

    Raises:
        EventLogError: Another process writes this log, or the lock file cannot be made.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".writer")

        def refusal(holder: str) -> EventLogError:
            return EventLogError(
                f"event log {database} is already written by process {holder}; "
                "a SQLite log has one policy server: stop that one, give this one a database of its own, or use "
                "PostgreSQL, which takes several"
            )

        try:
            self._lock = FileLock(path, refusal)
        except OSError as error:
            raise EventLogError(f"event log {database}: cannot make its lock file {path}: {error.strerror}") from error
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
        self._lock.release()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
