"""A rollout's persisted state, its looks, and the routing row that the policy server obeys.

The rollout controller writes these few rows beside the event log, each change in one short transaction, so that a
killed controller finds either the state before or the state after, never half of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from core.errors import RolloutError
from events.database import reading, writing
from events.deployments import Deployment, record_deployments
from events.dialects import insert as upsert
from events.dialects import lock_table
from events.schema import EXPERIMENTS, ROLLOUT_LOOKS, ROLLOUTS, ROUTES


@dataclass(frozen=True)
class RolloutRecord:
    """Where a rollout stands.

    Attributes:
        experiment: The spec's name; one rollout per name.
        spec: The experiment spec as a document (``spec.model_dump(mode="json")``).
        state: The controller's own word for where it is; this room only keeps it.
        decision: The last decision: continue, promote, rollback, keep or invalid.
        reasons: Codes of its reasons, most important first.
        step_index: 0-based canary step in force; the number of steps means the watch at 100 %.
        looks: Looks taken so far.
        champion_uri: Pinned model URI of the champion.
        champion_version: Its version.
        challenger_uri: Pinned model URI of the challenger.
        challenger_version: Its version.
        details: Whatever else the controller wants back after a restart.
        created_at: Seconds since 1970, set when created.
        updated_at: Seconds since 1970, set at every write.
    """

    experiment: str
    spec: Mapping[str, Any]
    state: str
    champion_uri: str
    champion_version: str
    challenger_uri: str
    challenger_version: str
    decision: str = "continue"
    reasons: tuple[str, ...] = ()
    step_index: int = 0
    looks: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True)
class Route:
    """Who gets what, as the policy server obeys it.

    Attributes:
        experiment: The spec's name.
        spec: The experiment spec as a document; the assignment's unit and salt are read from it.
        percent: 0 … 50 or 100, share of units on the challenger.
        step_index: 0-based canary step, recorded with every exposure.
        champion_url: ``http://host:port`` of the champion's model server.
        champion_version: Its model version.
        challenger_url: The challenger's server; None only at percent 0.
        challenger_version: Its model version.
        servers: Of an A/B/n test or a bandit: ``{"url", "version"}`` of each variant's server; the champion's columns
            hold the control's, and ``percent`` is 100, or 0 while everyone gets the control.
        revision: Rises with every write of any route; the route with the highest is in force. 0 before the first
            write.
    """

    experiment: str
    spec: Mapping[str, Any]
    percent: int
    step_index: int
    champion_url: str
    champion_version: str
    challenger_url: str | None = None
    challenger_version: str | None = None
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    revision: int = 0


def create_rollout(engine: Engine, record: RolloutRecord) -> RolloutRecord:
    """Persist a new rollout.

    Returns:
        The record as stored, with its times.

    Raises:
        RolloutError: A rollout, an A/B/n test or a bandit of that name exists, or one of the latter has the traffic.
        EventLogError: The database refused.
    """
    now = time.time()
    stored = replace(record, created_at=now, updated_at=now)
    with writing(engine) as connection:
        # Both, as those who start experiments do: what neither has seen yet neither may begin beside the other.
        for table in (EXPERIMENTS, ROLLOUTS):
            lock_table(connection, table)
        running = connection.scalar(select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.state == "running"))
        if running is not None:
            raise RolloutError(f"experiment {running!r} is running and has the traffic; stop it first")
        if connection.scalar(select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.name == record.experiment)) is not None:
            raise RolloutError(f"experiment {record.experiment!r} exists already; choose another name")
        known = connection.scalar(select(ROLLOUTS.c.state).where(ROLLOUTS.c.experiment == record.experiment))
        if known is not None:
            raise RolloutError(
                f"rollout {record.experiment!r} exists already (state {known!r}); resume it or choose another name"
            )
        connection.execute(insert(ROLLOUTS).values(_rollout_values(stored)))
    return stored


def load_rollout(engine: Engine, experiment: str) -> RolloutRecord | None:
    """The rollout of that name, or None.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        row = connection.execute(select(ROLLOUTS).where(ROLLOUTS.c.experiment == experiment)).mappings().first()
    return None if row is None else _record(row)


def list_rollouts(engine: Engine) -> list[RolloutRecord]:
    """Every rollout there is, the one begun last first; empty before the first.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        rows = connection.execute(select(ROLLOUTS).order_by(ROLLOUTS.c.created_at.desc())).mappings()
        return [_record(row) for row in rows]


def save_rollout(engine: Engine, record: RolloutRecord, *, look: Mapping[str, Any] | None = None) -> RolloutRecord:
    """Persist a rollout's new state, and with it the look that led there, in one transaction.

    Args:
        engine: From ``open_database``.
        record: The new state. With ``look``, ``record.looks`` is that look's 1-based number.
        look: A ``LookResult`` as a document; a look stored before under the same number is an error.

    Returns:
        The record as stored.

    Raises:
        RolloutError: No such rollout, or the look was already taken (another controller is at work).
        EventLogError: The database refused.
    """
    now = time.time()
    stored = replace(record, updated_at=now)
    with writing(engine) as connection:
        values = {name: value for name, value in _rollout_values(stored).items() if name != "created_at"}
        changed = connection.execute(update(ROLLOUTS).where(ROLLOUTS.c.experiment == record.experiment).values(values))
        if changed.rowcount == 0:
            raise RolloutError(f"rollout {record.experiment!r} does not exist; create it first")
        if look is not None:
            taken = (ROLLOUT_LOOKS.c.experiment == record.experiment) & (ROLLOUT_LOOKS.c.look == record.looks)
            if connection.scalar(select(func.count()).where(taken)):
                raise RolloutError(
                    f"look {record.looks} of rollout {record.experiment!r} was already taken; "
                    "load the rollout again: another controller is working on it"
                )
            row = {"experiment": record.experiment, "look": record.looks, "result": dict(look), "taken_at": now}
            connection.execute(insert(ROLLOUT_LOOKS).values(row))
    return stored


def load_looks(engine: Engine, experiment: str) -> list[dict[str, Any]]:
    """Every look of a rollout as stored, in order; empty if none was taken.

    Raises:
        EventLogError: The database cannot be read.
    """
    query = (
        select(ROLLOUT_LOOKS.c.result).where(ROLLOUT_LOOKS.c.experiment == experiment).order_by(ROLLOUT_LOOKS.c.look)
    )
    with reading(engine) as connection:
        return [dict(result) for result in connection.scalars(query)]


def put_route(engine: Engine, route: Route) -> Route:
    """Put a route in force: it replaces the experiment's former one and gets the next revision.

    Returns:
        The route with its revision.

    Raises:
        RolloutError: ``percent`` is not 0 … 50 or 100, or the challenger has units but no server.
        EventLogError: The database refused.
    """
    if not (0 <= route.percent <= 50 or route.percent == 100):
        raise RolloutError(f"route of {route.experiment!r}: percent == {route.percent}, must be 0 … 50, or 100")
    if route.percent > 0 and not (route.challenger_url or route.servers):
        raise RolloutError(f"route of {route.experiment!r}: percent == {route.percent} needs a challenger_url")
    with writing(engine) as connection:
        return write_route(connection, route)


def write_route(connection: Connection, route: Route) -> Route:
    """``put_route`` within a transaction that changes more than the route; what it deploys is kept with it."""
    lock_table(connection, ROUTES)
    revision = 1 + (connection.scalar(select(func.max(ROUTES.c.revision))) or 0)
    stored = replace(route, revision=revision)
    now = time.time()
    values = {**vars(stored), "spec": dict(route.spec), "servers": dict(route.servers), "updated_at": now}
    statement = upsert(connection.dialect, ROUTES).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["experiment"], set_=values))
    record_deployments(connection, _deployments(stored, now))
    return stored


def current_route(engine: Engine) -> Route | None:
    """The route in force, or None where nothing is routed yet.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        row = connection.execute(select(ROUTES).order_by(ROUTES.c.revision.desc()).limit(1)).mappings().first()
    return None if row is None else _route(row)


def _deployments(route: Route, since: float) -> list[Deployment]:
    """What a route puts behind each variant, from now on."""

    def of(variant: str, url: str, version: str | None, percent: int | None) -> Deployment:
        return Deployment(route.experiment, variant, url, version or "", percent, route.revision, since)

    if route.servers and route.percent:
        return [of(name, server["url"], server["version"], None) for name, server in route.servers.items()]
    # Of a paused A/B/n test or bandit the champion's columns hold its control.
    control = next((name for name, one in route.servers.items() if one["url"] == route.champion_url), "champion")
    found = [of(control, route.champion_url, route.champion_version, 100 - route.percent)]
    if route.challenger_url and not route.servers:
        found.append(of("challenger", route.challenger_url, route.challenger_version, route.percent))
    return found


def _route(row: RowMapping) -> Route:
    # Routes from before there were A/B/n tests have none.
    return Route(**{**{name: row[name] for name in row if name != "updated_at"}, "servers": row["servers"] or {}})


def _record(row: RowMapping) -> RolloutRecord:
    return RolloutRecord(**{**row, "reasons": tuple(row["reasons"])})


def _rollout_values(record: RolloutRecord) -> dict[str, Any]:
    return {**vars(record), "spec": dict(record.spec), "reasons": list(record.reasons), "details": dict(record.details)}
