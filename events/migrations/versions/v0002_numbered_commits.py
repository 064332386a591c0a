"""Every row knows the commit it came in with; failed sessions that were answered later are kept as they were."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, Integer, PrimaryKeyConstraint, inspect

from events.column_types import BIG_INTEGER, TEXT

revision = "0002"
down_revision = "0001"

_INDEXES = {
    "exposures_by_unit": ["experiment", "unit_id", "step", "variant", "decision_id", "commit_number"],
    "exposures_by_variant": ["experiment", "variant", "step", "latency_ms", "error", "n_items", "commit_number"],
}


def upgrade() -> None:
    """Make what is not there; rows from before get commit 0: they were there before the first that is counted."""
    found = inspect(op.get_bind())
    for table in ("exposures", "outcomes"):
        if "commit_number" not in {column["name"] for column in found.get_columns(table)}:
            op.add_column(table, _commit_number())
    op.create_table(
        "commits",
        Column("log", TEXT, primary_key=True),
        Column("commits", BIG_INTEGER, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "superseded_exposures",
        Column("decision_id", TEXT, nullable=False),
        Column("superseded_by", BIG_INTEGER, nullable=False),
        Column("experiment", TEXT, nullable=False),
        Column("unit_id", TEXT, nullable=False),
        Column("step", Integer, nullable=False),
        Column("variant", TEXT, nullable=False),
        Column("latency_ms", Float, nullable=False),
        _commit_number(),
        PrimaryKeyConstraint("decision_id", "superseded_by"),
        if_not_exists=True,
    )
    there = {index["name"]: index["column_names"] for index in found.get_indexes("exposures")}
    for name, columns in _INDEXES.items():
        if there.get(name) != columns:
            op.drop_index(name, "exposures", if_exists=True)
            op.create_index(name, "exposures", columns)


def _commit_number() -> Column[int]:
    return Column("commit_number", BIG_INTEGER, nullable=False, server_default="0")
