"""The rest of the state: what is trained on, what is served, what was checked, and what workers have to do."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import JSON, Column, Float, Integer, RowMapping, column, insert, inspect, select, table

from events.column_types import BIG_INTEGER, TEXT

revision = "0005"
down_revision = "0004"

_ROUTES = table(
    "routes",
    *map(column, ("experiment", "revision", "percent", "updated_at")),
    *map(column, ("champion_url", "champion_version", "challenger_url", "challenger_version")),
    column("servers", JSON),
)
_MADE = table(
    "deployments",
    *map(column, ("experiment", "variant", "url", "version", "percent", "revision", "since")),
)


def upgrade() -> None:
    """Make what is not there; the route in force is the first deployment."""
    if "ts" not in {column["name"] for column in inspect(op.get_bind()).get_columns("superseded_exposures")}:
        op.add_column("superseded_exposures", Column("ts", Float))
    op.create_index("superseded_by_commit", "superseded_exposures", ["superseded_by"], if_not_exists=True)
    _catalogue()
    _deployments()
    _work()


def _catalogue() -> None:
    op.create_table(
        "users",
        Column("user_id", TEXT, primary_key=True),
        Column("ratings", Integer, nullable=False),
        Column("first_ts", Float),
        Column("last_ts", Float),
        Column("known", JSON, nullable=False),
        Column("source", TEXT, nullable=False),
        Column("updated_at", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "items",
        Column("item_id", TEXT, primary_key=True),
        Column("title", TEXT),
        Column("year", Integer),
        Column("genres", JSON, nullable=False),
        Column("ratings", Integer, nullable=False),
        Column("rating_mean", Float),
        Column("first_ts", Float),
        Column("last_ts", Float),
        Column("source", TEXT, nullable=False),
        Column("updated_at", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "models",
        Column("name", TEXT, primary_key=True),
        Column("version", TEXT, primary_key=True),
        Column("model", TEXT, nullable=False),
        Column("run_id", TEXT, nullable=False),
        Column("metrics", JSON, nullable=False),
        Column("provenance", JSON, nullable=False),
        Column("registered_at", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "features",
        Column("version", TEXT, primary_key=True),
        Column("as_of", Float, nullable=False),
        Column("users", Integer, nullable=False),
        Column("items", Integer, nullable=False),
        Column("snapshots", Integer, nullable=False),
        Column("definitions", JSON, nullable=False),
        Column("provenance", JSON, nullable=False),
        Column("built_at", Float, nullable=False),
        if_not_exists=True,
    )


def _deployments() -> None:
    op.create_table(
        "deployments",
        Column("id", Integer, primary_key=True),
        Column("experiment", TEXT, nullable=False),
        Column("variant", TEXT, nullable=False),
        Column("url", TEXT, nullable=False),
        Column("version", TEXT, nullable=False),
        Column("percent", Integer),
        Column("revision", Integer, nullable=False),
        Column("since", Float, nullable=False),
        Column("until", Float),
        if_not_exists=True,
    )
    bind = op.get_bind()
    if bind.execute(select(_MADE.c.experiment)).first() is not None:
        return
    # The route that is in force already is no less a deployment than those to come.
    route = bind.execute(select(_ROUTES).order_by(_ROUTES.c.revision.desc()).limit(1)).mappings().first()
    if route is None:
        return
    same = {"experiment": route["experiment"], "revision": route["revision"], "since": route["updated_at"]}
    bind.execute(insert(_MADE), [{**same, **one} for one in _in_force(route)])


def _in_force(route: RowMapping) -> list[dict[str, Any]]:
    """What a route puts behind each variant, as ``events.rollouts`` wrote it when this version was new."""

    def of(variant: str, url: str, version: str | None, percent: int | None) -> dict[str, Any]:
        return {"variant": variant, "url": url, "version": version or "", "percent": percent}

    servers, percent = route["servers"] or {}, route["percent"]
    if servers and percent:
        return [of(name, server["url"], server["version"], None) for name, server in servers.items()]
    # Of a paused A/B/n test or bandit the champion's columns hold its control.
    control = next((name for name, one in servers.items() if one["url"] == route["champion_url"]), "champion")
    found = [of(control, route["champion_url"], route["champion_version"], 100 - percent)]
    if route["challenger_url"] and not servers:
        found.append(of("challenger", route["challenger_url"], route["challenger_version"], percent))
    return found


def _work() -> None:
    op.create_table(
        "monitoring_results",
        Column("name", TEXT, primary_key=True),
        Column("subject", TEXT, primary_key=True),
        Column("window_start", Float, primary_key=True),
        Column("window_end", Float, primary_key=True),
        Column("value", Float),
        Column("threshold", Float),
        Column("status", TEXT, nullable=False),
        Column("details", JSON, nullable=False),
        Column("checked_at", Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("monitoring_results_by_time", "monitoring_results", ["checked_at"], if_not_exists=True)
    op.create_table(
        "retrain_requests",
        Column("id", Integer, primary_key=True),
        Column("key", TEXT, unique=True),
        Column("arguments", JSON, nullable=False),
        Column("reason", TEXT, nullable=False),
        Column("requested_by", TEXT, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("worker", TEXT),
        Column("lease_until", Float),
        Column("progress", TEXT, nullable=False),
        Column("message", TEXT, nullable=False),
        Column("run", TEXT, nullable=False),
        Column("result", JSON, nullable=False),
        Column("requested_at", Float, nullable=False),
        Column("started_at", Float),
        Column("finished_at", Float),
        if_not_exists=True,
    )
    op.create_index("retrain_requests_by_state", "retrain_requests", ["state", "id"], if_not_exists=True)
    op.create_table(
        "worker_jobs",
        Column("job", TEXT, primary_key=True),
        Column("id", TEXT, nullable=False),
        Column("worker", TEXT, nullable=False),
        Column("lease_until", Float, nullable=False),
        Column("position", BIG_INTEGER, nullable=False),
        Column("ran_at", Float),
        Column("failure", TEXT, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "live_traffic",
        Column("day", TEXT, primary_key=True),
        Column("experiment", TEXT, primary_key=True),
        Column("step", Integer, primary_key=True, autoincrement=False),
        Column("variant", TEXT, primary_key=True),
        Column("impressions", BIG_INTEGER, nullable=False),
        Column("failed", BIG_INTEGER, nullable=False),
        Column("clicks", BIG_INTEGER, nullable=False),
        Column("reward", Float, nullable=False),
        Column("changed_at", BIG_INTEGER, nullable=False),
        Column("told_at", BIG_INTEGER, nullable=False),
        if_not_exists=True,
    )
