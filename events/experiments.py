"""A/B/n tests and bandits as the event database holds them: their spec, their state, and who serves their variants.

    draft ──start──▶ running ◀──start── paused        One runs at a time, and none beside a rollout: there is one
                        │  └───pause──────▲           route in force.
                        └──stop──▶ stopped

Each change is one transaction with the route that carries it out: whoever is killed leaves the state before or after.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Engine, RowMapping, delete, exists, insert, select, update

from core.errors import RolloutError
from events.database import reading, writing
from events.dialects import lock_table
from events.rollouts import Route, write_route
from events.schema import EXPERIMENTS, EXPOSURES, ROLLOUTS, ROUTES

Servers: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class ExperimentRecord:
    """An experiment.

    Attributes:
        name: The spec's; exposures are logged under it.
        id: Its own for good, also where another event database has an experiment of that name.
        spec: The experiment spec as a document.
        state: draft, running, paused or stopped.
        servers: ``{"url", "version"}`` of each variant's server; empty before the first start.
        created_at: Seconds since 1970.
        updated_at: Seconds since 1970, of the last change.
        started_at: Seconds since 1970, of the first start; None before.
        stopped_at: Seconds since 1970; None until it is stopped.
    """

    name: str
    spec: Mapping[str, Any]
    id: str = ""
    state: str = "draft"
    servers: Servers = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    started_at: float | None = None
    stopped_at: float | None = None


def create_experiment(engine: Engine, name: str, spec: Mapping[str, Any]) -> ExperimentRecord:
    """Keep a new experiment, as a draft.

    Raises:
        RolloutError: There is an experiment, or a rollout, of that name, or sessions were routed under it.
        EventLogError: The database refused.
    """
    now = time.time()
    record = ExperimentRecord(name, dict(spec), id=uuid.uuid4().hex, created_at=now, updated_at=now)
    with writing(engine) as connection:
        lock_table(connection, EXPERIMENTS)
        for table, kind in ((EXPERIMENTS.c.name, "experiment"), (ROLLOUTS.c.experiment, "rollout")):
            if connection.scalar(select(table).where(table == name)) is not None:
                raise RolloutError(f"{kind} {name!r} exists already; choose another name")
        if _is_logged(connection, name):
            # They would count as its own.
            raise RolloutError(f"sessions are logged as {name!r} already; choose another name")
        connection.execute(insert(EXPERIMENTS).values(vars(record)))
    return record


def load_experiment(engine: Engine, name: str) -> ExperimentRecord | None:
    """The experiment of that name, or None.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        row = connection.execute(select(EXPERIMENTS).where(EXPERIMENTS.c.name == name)).mappings().first()
    return None if row is None else _record(row)


def list_experiments(engine: Engine) -> list[ExperimentRecord]:
    """Every experiment, the one made last first.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        rows = connection.execute(select(EXPERIMENTS).order_by(EXPERIMENTS.c.created_at.desc())).mappings()
        return [_record(row) for row in rows]


def change_spec(engine: Engine, name: str, spec: Mapping[str, Any]) -> ExperimentRecord:
    """Give a draft another spec.

    Raises:
        RolloutError: There is no such experiment, or it has started: what decides it must not change under it.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        record = _locked(connection, name)
        _check_state(record, ("draft",), "changed; its units would change sides. Create another one")
        return _write(connection, record, spec=dict(spec))


def start_experiment(
    engine: Engine, name: str, servers: Servers, route: Route, *, unchanged_since: float | None = None
) -> ExperimentRecord:
    """Give it the traffic; one that was paused goes on.

    Args:
        engine: From ``open_database``.
        name: A draft, or a paused one.
        servers: ``{"url", "version"}`` of each variant's server.
        route: What carries it out.
        unchanged_since: ``updated_at`` of the record that ``route`` was made of; None: it does not matter.

    Raises:
        RolloutError: There is no such experiment, it runs or is over, it was changed meanwhile, another one runs, or a
            rollout is under way.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        record = _locked(connection, name)
        _check_state(record, ("draft", "paused"), "started")
        _check_unchanged(record, unchanged_since)
        _check_nobody_has_the_traffic(connection)
        write_route(connection, route)
        started = time.time() if record.started_at is None else record.started_at
        return _write(connection, record, state="running", servers=dict(servers), started_at=started)


def put_standing_route(engine: Engine, route: Route) -> Route:
    """Put the route of a time without a rollout in force: its users must not change sides under one.

    Args:
        engine: From ``open_database``.
        route: Sends everyone to one server.

    Returns:
        The route with its revision.

    Raises:
        RolloutError: A rollout is not over, an experiment is running, or one has the route's name.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        lock_table(connection, EXPERIMENTS)
        _check_nobody_has_the_traffic(connection)
        if connection.scalar(select(exists().where(EXPERIMENTS.c.name == route.experiment))):
            raise RolloutError(f"experiment {route.experiment!r} exists; log sessions without one under another name")
        return write_route(connection, route)


def halt_experiment(
    engine: Engine,
    name: str,
    state: Literal["paused", "stopped"],
    route: Route | None,
    *,
    unchanged_since: float | None = None,
) -> ExperimentRecord:
    """Take the traffic from it, for a while or for good.

    Args:
        engine: From ``open_database``.
        name: The experiment.
        state: What it becomes.
        route: Sends everyone to the control; None where it has no traffic.
        unchanged_since: As of ``start_experiment``.

    Raises:
        RolloutError: There is no such experiment, it is not in a state for that, or it was changed meanwhile.
        EventLogError: The database refused.
    """
    allowed: Collection[str] = ("running",) if state == "paused" else ("draft", "running", "paused")
    with writing(engine) as connection:
        record = _locked(connection, name)
        _check_state(record, allowed, state)
        _check_unchanged(record, unchanged_since)
        if record.state == "running" and route is not None:
            write_route(connection, route)
        return _write(connection, record, state=state, stopped_at=time.time() if state == "stopped" else None)


def delete_experiment(engine: Engine, name: str) -> None:
    """Forget an experiment that nobody has seen.

    Raises:
        RolloutError: There is no such experiment, it has the traffic, or sessions of it are logged.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        record = _locked(connection, name)
        _check_state(record, ("draft", "stopped"), "deleted; stop it first")
        if connection.scalar(select(exists().where(EXPOSURES.c.experiment == name))):
            raise RolloutError(f"experiment {name!r} has sessions in the event log, which must keep their spec")
        connection.execute(delete(EXPERIMENTS).where(EXPERIMENTS.c.name == name))


def _locked(connection: Connection, name: str) -> ExperimentRecord:
    lock_table(connection, EXPERIMENTS)
    row = connection.execute(select(EXPERIMENTS).where(EXPERIMENTS.c.name == name)).mappings().first()
    if row is None:
        raise RolloutError(f"experiment {name!r} does not exist; create it first")
    return _record(row)


def _check_state(record: ExperimentRecord, allowed: Collection[str], verb: str) -> None:
    if record.state not in allowed:
        raise RolloutError(f"experiment {record.name!r} is {record.state}, must be {' or '.join(allowed)} to be {verb}")


def _is_logged(connection: Connection, name: str) -> bool:
    """Whether sessions are recorded under a name, or may be because a route without an experiment has it."""
    if connection.scalar(select(exists().where(EXPOSURES.c.experiment == name))):
        return True
    routed = connection.execute(select(ROUTES.c.servers).where(ROUTES.c.experiment == name)).first()
    return routed is not None and not routed[0]


def _check_unchanged(record: ExperimentRecord, since: float | None) -> None:
    if since is not None and record.updated_at != since:
        raise RolloutError(f"experiment {record.name!r} was changed this very moment; look at it, then try again")


def _check_nobody_has_the_traffic(connection: Connection) -> None:
    """With ``EXPERIMENTS`` locked, which every way to the traffic locks first."""
    running = connection.scalar(select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.state == "running"))
    if running is not None:
        raise RolloutError(f"experiment {running!r} is running and has the traffic; pause or stop it first")
    rollout = connection.scalar(select(ROLLOUTS.c.experiment).where(ROLLOUTS.c.state != "done"))
    if rollout is not None:
        raise RolloutError(
            f"rollout {rollout!r} is under way and routes by itself; let it end first "
            "(one that was killed goes on with: screentest rollout resume FOLDER)"
        )


def _write(connection: Connection, record: ExperimentRecord, **changes: Any) -> ExperimentRecord:
    values = {**vars(record), **changes, "updated_at": time.time()}
    connection.execute(update(EXPERIMENTS).where(EXPERIMENTS.c.name == record.name).values(values))
    return ExperimentRecord(**values)


def _record(row: RowMapping) -> ExperimentRecord:
    return ExperimentRecord(**row)
