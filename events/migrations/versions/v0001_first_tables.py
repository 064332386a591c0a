"""Exposures, outcomes, rollouts: the tables as they were at first."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Boolean, Column, Float, Integer, PrimaryKeyConstraint, UniqueConstraint

from events.column_types import TEXT

revision = "0001"
down_revision = None

_INDEXES = {
    "exposures_by_unit": ["experiment", "unit_id", "step", "variant", "decision_id"],
    "exposures_by_variant": ["experiment", "variant", "step", "latency_ms", "error", "n_items"],
    "exposures_by_user": ["user_id", "ts"],
}


def upgrade() -> None:
    """Make what is not there."""
    _events()
    _rollouts()
    for name, columns in _INDEXES.items():
        op.create_index(name, "exposures", columns, if_not_exists=True)


def _events() -> None:
    op.create_table(
        "exposures",
        Column("decision_id", TEXT, primary_key=True),
        Column("experiment", TEXT, nullable=False),
        Column("unit_id", TEXT, nullable=False),
        Column("user_id", TEXT, nullable=False),
        Column("session_id", TEXT),
        Column("step", Integer, nullable=False),
        Column("variant", TEXT, nullable=False),
        Column("propensity", Float, nullable=False),
        Column("items", JSON, nullable=False),
        Column("n_items", Integer, nullable=False),
        Column("context", JSON, nullable=False),
        Column("channel", TEXT),
        Column("device", TEXT),
        Column("latency_ms", Float, nullable=False),
        Column("error", Boolean, nullable=False),
        Column("ts", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "outcomes",
        Column("decision_id", TEXT, nullable=False),
        Column("item_id", TEXT, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("reward", Float, nullable=False),
        Column("user_id", TEXT, nullable=False),
        Column("arm", TEXT, nullable=False),
        Column("ts", Float, nullable=False),
        Column("meta", JSON, nullable=False),
        PrimaryKeyConstraint("decision_id", "item_id", "kind"),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "heartbeats",
        Column("writer", TEXT, primary_key=True),
        Column("pid", Integer, nullable=False),
        Column("ts", Float, nullable=False),
        if_not_exists=True,
    )


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        Column("experiment", TEXT, primary_key=True),
        Column("spec", JSON, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("decision", TEXT, nullable=False),
        Column("reasons", JSON, nullable=False),
        Column("step_index", Integer, nullable=False),
        Column("looks", Integer, nullable=False),
        Column("champion_uri", TEXT, nullable=False),
        Column("champion_version", TEXT, nullable=False),
        Column("challenger_uri", TEXT, nullable=False),
        Column("challenger_version", TEXT, nullable=False),
        Column("details", JSON, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("updated_at", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "rollout_looks",
        Column("id", Integer, primary_key=True),
        Column("experiment", TEXT, nullable=False),
        Column("look", Integer, nullable=False),
        Column("result", JSON, nullable=False),
        Column("taken_at", Float, nullable=False),
        UniqueConstraint("experiment", "look"),
        if_not_exists=True,
    )
    op.create_table(
        "routes",
        Column("experiment", TEXT, primary_key=True),
        Column("revision", Integer, nullable=False, unique=True),
        Column("spec", JSON, nullable=False),
        Column("percent", Integer, nullable=False),
        Column("step_index", Integer, nullable=False),
        Column("champion_url", TEXT, nullable=False),
        Column("challenger_url", TEXT),
        Column("champion_version", TEXT, nullable=False),
        Column("challenger_version", TEXT),
        Column("updated_at", Float, nullable=False),
        if_not_exists=True,
    )
