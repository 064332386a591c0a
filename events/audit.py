"""Who changed what: a row for each request and command that changes state, traffic left out.

What users are shown and what they do is the event log's; a row for each list would be that log again.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, insert, select

from events.database import reading, writing
from events.schema import AUDIT_LOG

#: In place of an HTTP method, where somebody ran a command.
COMMAND = "command"


@dataclass(frozen=True)
class AuditEntry:
    """Something that was done, or refused.

    Attributes:
        ts: Seconds since 1970.
        who: The key's name; ``anyone`` where the server asks for none; the operating system's user of a command.
        role: The key's; empty where there is none.
        method: GET, POST …, or ``COMMAND``.
        path: The request's, or the command's words.
        subject: What it was done to: an experiment, a key; empty where there is no such thing.
        status: HTTP's; 0 for a command, which is written down once it was done.
        request_id: The caller's ``x-request-id``, or one made here; the answer has it too. Empty for a command.
    """

    ts: float
    who: str
    role: str
    method: str
    path: str
    subject: str
    status: int
    request_id: str


def write_audit(engine: Engine, entries: Sequence[AuditEntry]) -> None:
    """Append entries, in one transaction.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        connection.execute(insert(AUDIT_LOG), [asdict(entry) for entry in entries])


def audit_command(connection: Connection, command: str, subject: str) -> None:
    """Append that a command changes something, in the transaction that changes it: both happen or neither.

    Args:
        connection: Of ``writing``.
        command: Its words, e.g. ``keys revoke``.
        subject: What it is done to.
    """
    entry = AuditEntry(time.time(), os_user(), "", COMMAND, command, subject, 0, "")
    connection.execute(insert(AUDIT_LOG).values(asdict(entry)))


def command_was_run(engine: Engine, command: str, subject: str) -> None:
    """Append that a command has changed something.

    Args:
        engine: From ``open_database``.
        command: Its words, e.g. ``experiment stop``.
        subject: What it was done to.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        audit_command(connection, command, subject)


def read_audit(engine: Engine, since: float = 0.0, limit: int = 1000) -> list[AuditEntry]:
    """The latest entries, oldest first.

    Args:
        engine: From ``open_database``.
        since: Seconds since 1970.
        limit: The most of them, >= 1.

    Raises:
        EventLogError: The database cannot be read.
    """
    columns = [column for column in AUDIT_LOG.c if column.name != "id"]
    query = select(*columns).where(AUDIT_LOG.c.ts >= since).order_by(AUDIT_LOG.c.ts.desc(), AUDIT_LOG.c.id.desc())
    with reading(engine) as connection:
        rows = connection.execute(query.limit(limit)).mappings().all()
    return [AuditEntry(**row) for row in reversed(rows)]


def os_user() -> str:
    """Who runs this process, as the operating system knows it; by number where it has no name (in containers)."""
    try:
        # Not getpass: that believes the environment.
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
