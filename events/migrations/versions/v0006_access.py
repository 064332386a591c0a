"""Keys of the policy server's API, and who changed what."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, Integer

from events.column_types import TEXT

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make what is not there."""
    op.create_table(
        "api_keys",
        Column("id", TEXT, primary_key=True),
        Column("name", TEXT, nullable=False),
        Column("role", TEXT, nullable=False),
        Column("scope", TEXT, nullable=False),
        Column("sha256", TEXT, nullable=False),
        Column("rate", Integer, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("expires_at", Float),
        Column("last_used_at", Float),
        Column("revoked_at", Float),
        if_not_exists=True,
    )
    op.create_table(
        "audit_log",
        Column("id", Integer, primary_key=True),
        Column("ts", Float, nullable=False),
        Column("who", TEXT, nullable=False),
        Column("role", TEXT, nullable=False),
        Column("method", TEXT, nullable=False),
        Column("path", TEXT, nullable=False),
        Column("subject", TEXT, nullable=False),
        Column("status", Integer, nullable=False),
        Column("request_id", TEXT, nullable=False),
        if_not_exists=True,
    )
    op.create_index("audit_log_by_time", "audit_log", ["ts"], if_not_exists=True)
