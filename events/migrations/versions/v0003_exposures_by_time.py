"""Exposures are found by their time: the latest users, and the days to export."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the index."""
    op.create_index("exposures_by_time", "exposures", ["ts"], if_not_exists=True)
