"""A/B/n tests and bandits: the experiments, a server for each variant, and rows found by their commit."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Column, Float, inspect

from events.column_types import TEXT

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make what is not there; routes from before have no servers but champion and challenger."""
    op.create_table(
        "experiments",
        Column("name", TEXT, primary_key=True),
        Column("id", TEXT, nullable=False),
        Column("spec", JSON, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("servers", JSON, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("updated_at", Float, nullable=False),
        Column("started_at", Float),
        Column("stopped_at", Float),
        if_not_exists=True,
    )
    if "servers" not in {column["name"] for column in inspect(op.get_bind()).get_columns("routes")}:
        op.add_column("routes", Column("servers", JSON))
    op.create_index("exposures_by_commit", "exposures", ["commit_number"], if_not_exists=True)
    op.create_index("outcomes_by_commit", "outcomes", ["commit_number"], if_not_exists=True)
