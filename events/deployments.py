"""Which version answered for which variant, where, from when until when: written with the route, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from events.database import reading
from events.schema import DEPLOYMENTS

_TABLE = DEPLOYMENTS


@dataclass(frozen=True)
class Deployment:
    """A version behind a variant for as long as nothing about it changed.

    Attributes:
        experiment: The spec's name.
        variant: champion and challenger; of an A/B/n test or a bandit the spec's names.
        url: Address of its server.
        version: Model version.
        percent: Share of units that its server answers, 0 … 100; the control's are the champion's. None: dealt by an
            A/B/n test's or a bandit's own rules.
        revision: Of the route that put it there.
        since: Seconds since 1970.
        until: Seconds since 1970; None: it is in force.
    """

    experiment: str
    variant: str
    url: str
    version: str
    percent: int | None
    revision: int
    since: float
    until: float | None = None


def record_deployments(connection: Connection, deployed: list[Deployment]) -> None:
    """Put deployments in force; what is not among them ends, what has not changed goes on.

    One route is in force at a time, so deployments of other experiments end too.

    Args:
        connection: Of the transaction that writes the route.
        deployed: All of the route's, each of the same ``since``.
    """
    open_rows = connection.execute(select(_TABLE).where(_TABLE.c.until.is_(None))).mappings().all()
    there = {_what(row): row["id"] for row in open_rows}
    wanted = {_what(vars(one)): one for one in deployed}
    ended = [number for what, number in there.items() if what not in wanted]
    if ended:
        now = max(one.since for one in deployed)
        connection.execute(update(_TABLE).where(_TABLE.c.id.in_(ended)).values(until=now))
    new = [vars(one) for what, one in wanted.items() if what not in there]
    if new:
        connection.execute(insert(_TABLE), new)


def list_deployments(engine: Engine, *, experiment: str | None = None, limit: int = 100) -> list[Deployment]:
    """Deployments, of one experiment or of all, the last one first.

    Raises:
        EventLogError: The database cannot be read.
    """
    query = select(_TABLE) if experiment is None else select(_TABLE).where(_TABLE.c.experiment == experiment)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)).mappings()
        return [Deployment(**{name: value for name, value in row.items() if name != "id"}) for row in rows]


def _what(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("experiment", "variant", "url", "version", "percent"))
