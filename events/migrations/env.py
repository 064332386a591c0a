"""What Alembic runs, in the transaction that ``events.migrations.upgrade`` gives it."""

from __future__ import annotations

from alembic import context

from events.migrations import VERSION_TABLE
from events.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
