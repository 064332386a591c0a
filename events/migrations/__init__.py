"""The event database's versions, and the way from each to the next, by Alembic.

A new version is one file in ``versions/`` and its number in ``VERSIONS``. A step makes only what is not there yet:
databases older than Alembic do not tell how far they are.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from core.errors import EventLogError

#: Oldest first. Known without Alembic, which need not be imported to open a database that is up to date.
VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = VERSIONS[-1]
VERSION_TABLE = "alembic_version"
#: Alembic keeps what it is doing in variables of its modules.
_ALEMBIC = threading.Lock()


def version_of(connection: Connection) -> str | None:
    """The database's version; None for an empty one, or one made before there were versions."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return None if found is None else str(found)


def check_known(version: str | None, name: str) -> str | None:
    """The version as given.

    Args:
        version: From ``version_of``.
        name: The database, for the message.

    Raises:
        EventLogError: It is none of ``VERSIONS``.
    """
    if version is not None and version not in VERSIONS:
        raise EventLogError(
            f"event log {name} has version {version!r} of the tables, this Screentest knows them up to {HEAD!r}: "
            "it was used by a newer one; update this one"
        )
    return version


def upgrade(connection: Connection) -> None:
    """Bring the tables up to ``HEAD``, all in the connection's transaction: all of it happens or nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # A percent sign begins an interpolation there.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, "head")
