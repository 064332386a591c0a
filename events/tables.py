"""The state's tables as rows for people and scripts, the latest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from core.errors import UnknownName
from events.database import reading
from events.schema import (
    DEPLOYMENTS,
    EXPERIMENTS,
    FEATURES,
    ITEMS,
    LIVE_TRAFFIC,
    MODELS,
    MONITORING_RESULTS,
    RETRAIN_REQUESTS,
    ROLLOUTS,
    ROUTES,
    USERS,
    WORKER_JOBS,
)

#: What may be shown, each with the columns that order it, the latest first.
SHOWN = {
    table.name: (table, order)
    for table, order in (
        (USERS, (USERS.c.last_ts.desc(), USERS.c.user_id)),
        (ITEMS, (ITEMS.c.ratings.desc(), ITEMS.c.item_id)),
        (MODELS, (MODELS.c.registered_at.desc(), MODELS.c.version.desc())),
        (FEATURES, (FEATURES.c.built_at.desc(),)),
        (EXPERIMENTS, (EXPERIMENTS.c.created_at.desc(),)),
        (ROLLOUTS, (ROLLOUTS.c.created_at.desc(),)),
        (ROUTES, (ROUTES.c.revision.desc(),)),
        (DEPLOYMENTS, (DEPLOYMENTS.c.id.desc(),)),
        (LIVE_TRAFFIC, (LIVE_TRAFFIC.c.day.desc(), LIVE_TRAFFIC.c.experiment, LIVE_TRAFFIC.c.variant)),
        (MONITORING_RESULTS, (MONITORING_RESULTS.c.checked_at.desc(), MONITORING_RESULTS.c.subject)),
        (RETRAIN_REQUESTS, (RETRAIN_REQUESTS.c.id.desc(),)),
        (WORKER_JOBS, (WORKER_JOBS.c.job,)),
    )
}


def latest_rows(engine: Engine, name: str, *, limit: int) -> list[dict[str, Any]]:
    """The latest rows of a table, by column; users by their latest rating, items the most rated first.

    Raises:
        UnknownName: None of ``SHOWN``.
        EventLogError: The database cannot be read.
    """
    if name not in SHOWN:
        raise UnknownName("table", name, SHOWN, "events/tables.py")
    table, order = SHOWN[name]
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*order).limit(limit)).mappings()]
