"""The tables of the event log, and of the rollouts that are decided on it. How a database gets them: ``migrations``."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, Table, UniqueConstraint

from events.column_types import BIG_INTEGER, TEXT

METADATA = MetaData()


def _commit_number() -> Column[int]:
    """Which commit of the log a row came in with, counted from 1: the order of arrival."""
    return Column("commit_number", BIG_INTEGER, nullable=False, server_default="0")


#: How many commits the log has: one row, written by each.
COMMITS = Table(
    "commits", METADATA, Column("log", TEXT, primary_key=True), Column("commits", BIG_INTEGER, nullable=False)
)

EXPOSURES = Table(
    "exposures",
    METADATA,
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
    _commit_number(),
)
# Covers the whole aggregation of a look: the rows are already in group order.
Index(
    "exposures_by_unit",
    EXPOSURES.c.experiment,
    EXPOSURES.c.unit_id,
    EXPOSURES.c.step,
    EXPOSURES.c.variant,
    EXPOSURES.c.decision_id,
    EXPOSURES.c.commit_number,
)
# Covers the health of a variant and the counts per step.
Index(
    "exposures_by_variant",
    EXPOSURES.c.experiment,
    EXPOSURES.c.variant,
    EXPOSURES.c.step,
    EXPOSURES.c.latency_ms,
    EXPOSURES.c.error,
    EXPOSURES.c.n_items,
    EXPOSURES.c.commit_number,
)
# Finds the exposure that an outcome without decision_id belongs to.
Index("exposures_by_user", EXPOSURES.c.user_id, EXPOSURES.c.ts)
# Finds the latest exposures, and those of a day.
Index("exposures_by_time", EXPOSURES.c.ts)
# Finds what has come since a commit.
Index("exposures_by_commit", EXPOSURES.c.commit_number)

#: Failed sessions that were tried again: as they were until the commit that brought the answer.
SUPERSEDED = Table(
    "superseded_exposures",
    METADATA,
    Column("decision_id", TEXT, primary_key=True),
    Column("superseded_by", BIG_INTEGER, primary_key=True),
    Column("experiment", TEXT, nullable=False),
    Column("unit_id", TEXT, nullable=False),
    Column("step", Integer, nullable=False),
    Column("variant", TEXT, nullable=False),
    Column("latency_ms", Float, nullable=False),
    # Of the failed session; None where it was superseded before this was kept.
    Column("ts", Float),
    _commit_number(),
)
Index("superseded_by_commit", SUPERSEDED.c.superseded_by)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("decision_id", TEXT, primary_key=True),
    Column("item_id", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    Column("reward", Float, nullable=False),
    Column("user_id", TEXT, nullable=False),
    Column("arm", TEXT, nullable=False),
    Column("ts", Float, nullable=False),
    Column("meta", JSON, nullable=False),
    _commit_number(),
    # The key is the table: one B-tree to write per outcome instead of two.
    sqlite_with_rowid=False,
)
Index("outcomes_by_commit", OUTCOMES.c.commit_number)

HEARTBEATS = Table(
    "heartbeats",
    METADATA,
    Column("writer", TEXT, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("ts", Float, nullable=False),
)

ROLLOUTS = Table(
    "rollouts",
    METADATA,
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
)

ROLLOUT_LOOKS = Table(
    "rollout_looks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("experiment", TEXT, nullable=False),
    Column("look", Integer, nullable=False),
    Column("result", JSON, nullable=False),
    Column("taken_at", Float, nullable=False),
    UniqueConstraint("experiment", "look"),
)

ROUTES = Table(
    "routes",
    METADATA,
    Column("experiment", TEXT, primary_key=True),
    Column("revision", Integer, nullable=False, unique=True),
    Column("spec", JSON, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("step_index", Integer, nullable=False),
    Column("champion_url", TEXT, nullable=False),
    Column("challenger_url", TEXT),
    Column("champion_version", TEXT, nullable=False),
    Column("challenger_version", TEXT),
    Column("servers", JSON),
    Column("updated_at", Float, nullable=False),
)

#: A/B/n tests and bandits; a rollout has a row of ``ROLLOUTS`` instead.
EXPERIMENTS = Table(
    "experiments",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("id", TEXT, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("servers", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("started_at", Float),
    Column("stopped_at", Float),
)

#: Everyone in the data that models learn from.
USERS = Table(
    "users",
    METADATA,
    Column("user_id", TEXT, primary_key=True),
    Column("ratings", Integer, nullable=False),
    Column("first_ts", Float),
    Column("last_ts", Float),
    Column("known", JSON, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("updated_at", Float, nullable=False),
)

ITEMS = Table(
    "items",
    METADATA,
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
)

#: Versions as they were registered. Which of them is champion now, MLflow's aliases say.
MODELS = Table(
    "models",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("version", TEXT, primary_key=True),
    Column("model", TEXT, nullable=False),
    Column("run_id", TEXT, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("registered_at", Float, nullable=False),
)

#: Features as they were built: what they are, and of how much.
FEATURES = Table(
    "features",
    METADATA,
    Column("version", TEXT, primary_key=True),
    Column("as_of", Float, nullable=False),
    Column("users", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("snapshots", Integer, nullable=False),
    Column("definitions", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("built_at", Float, nullable=False),
)

#: Which version answered for which variant, where, from when until when; written with the route.
DEPLOYMENTS = Table(
    "deployments",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("experiment", TEXT, nullable=False),
    Column("variant", TEXT, nullable=False),
    Column("url", TEXT, nullable=False),
    Column("version", TEXT, nullable=False),
    Column("percent", Integer),
    Column("revision", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float),
)

MONITORING_RESULTS = Table(
    "monitoring_results",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("subject", TEXT, primary_key=True),
    Column("window_start", Float, primary_key=True),
    Column("window_end", Float, primary_key=True),
    Column("value", Float),
    Column("threshold", Float),
    Column("status", TEXT, nullable=False),
    Column("details", JSON, nullable=False),
    Column("checked_at", Float, nullable=False),
)
Index("monitoring_results_by_time", MONITORING_RESULTS.c.checked_at)

RETRAIN_REQUESTS = Table(
    "retrain_requests",
    METADATA,
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
)
Index("retrain_requests_by_state", RETRAIN_REQUESTS.c.state, RETRAIN_REQUESTS.c.id)

#: What workers do on a timer, one of them at a time: who does it, and how far it is.
WORKER_JOBS = Table(
    "worker_jobs",
    METADATA,
    Column("job", TEXT, primary_key=True),
    Column("id", TEXT, nullable=False),
    Column("worker", TEXT, nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("position", BIG_INTEGER, nullable=False),
    Column("ran_at", Float),
    Column("failure", TEXT, nullable=False),
)

#: The log added up as it comes in: sessions by their day, clicks and rewards by the day of their session.
LIVE_TRAFFIC = Table(
    "live_traffic",
    METADATA,
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
)

#: Keys of the policy server's API: what each may do, and the hash of its secret. A rotated one has several rows.
API_KEYS = Table(
    "api_keys",
    METADATA,
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
)

#: Who changed what, traffic left out.
AUDIT_LOG = Table(
    "audit_log",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("ts", Float, nullable=False),
    Column("who", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("method", TEXT, nullable=False),
    Column("path", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_id", TEXT, nullable=False),
)
Index("audit_log_by_time", AUDIT_LOG.c.ts)
