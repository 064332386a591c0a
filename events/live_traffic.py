"""The log added up by day, experiment, step and variant, as it comes in: each commit is read once.

A session counts on the day (UTC) of its exposure, and so do its clicks and rewards, whenever they come: before their
exposure, after midnight, or after the worker was killed. What was read is added, and the place in the log moved on, in
one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    case,
    exists,
    func,
    literal,
    select,
    tuple_,
    update,
)

from events.database import reading, writing
from events.dialects import insert
from events.schema import COMMITS, EXPOSURES, LIVE_TRAFFIC, OUTCOMES, SUPERSEDED
from events.worker_jobs import NOTHING_READ, advance, load_job

#: The job whose place in the log this is.
JOB = "live-traffic"
#: Commits read at a time: what they hold is in memory.
_COMMITS_AT_ONCE = 2_000
_POSITIVE_CLICK = and_(OUTCOMES.c.kind == "click", OUTCOMES.c.reward > 0)
_NO_DAY = "unknown"


class TrafficKey(NamedTuple):
    """What traffic is told apart by.

    Attributes:
        day: Of the exposure, UTC, e.g. "2026-01-31"; "unknown" of a time that no calendar has.
        experiment: The spec's name.
        step: Canary step, or lane of an A/B/n test or a bandit.
        variant: The variant.
    """

    day: str
    experiment: str
    step: int
    variant: str


@dataclass
class Traffic:
    """Sums.

    Attributes:
        impressions: Sessions, failed ones included.
        failed: Of them, those whose server failed.
        clicks: Sessions with a click of positive reward.
        reward: Sum of all rewards, of whatever kind.
    """

    impressions: int = 0
    failed: int = 0
    clicks: int = 0
    reward: float = 0.0

    def add(self, impressions: int, failed: int, clicks: int, reward: float) -> None:
        """Add to each."""
        self.impressions += impressions
        self.failed += failed
        self.clicks += clicks
        self.reward += reward


@dataclass(frozen=True)
class CountedTraffic:
    """A row of what was added up.

    Attributes:
        key: Whose.
        traffic: How much.
        changed_at: Commit up to which the log was read when it last changed.
        told_at: ``changed_at`` of what was told last (``mark_told``).
    """

    key: TrafficKey
    traffic: Traffic
    changed_at: int
    told_at: int


def count_new(engine: Engine) -> int:
    """Add what the log has got since the last call, whoever called.

    Several may call it at once: what one of them has added, the others do not add again.

    Returns:
        Commits read.

    Raises:
        EventLogError: The log cannot be read or written.
    """
    begun = since = load_job(engine, JOB).position
    while True:
        with reading(engine) as connection:
            latest = connection.scalar(select(COMMITS.c.commits)) or 0
            until = min(latest, max(since, 0) + _COMMITS_AT_ONCE)
            if until <= since:
                return since - begun
            sums = _sums(connection, since, until)
        with writing(engine) as connection:
            if not advance(connection, JOB, since=since, to=until):
                # Another worker was faster; what is left is its business.
                return since - begun
            _add(connection, sums, until)
        since = until


def untold(engine: Engine) -> list[CountedTraffic]:
    """All rows of each day and experiment of which something changed since it was told, in the order of their keys.

    Raises:
        EventLogError: The database cannot be read.
    """
    table = LIVE_TRAFFIC.c
    changed = select(table.day, table.experiment).where(table.changed_at > table.told_at)
    query = select(LIVE_TRAFFIC).where(tuple_(table.day, table.experiment).in_(changed))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(*LIVE_TRAFFIC.primary_key)).mappings()
        return [
            CountedTraffic(
                TrafficKey(row["day"], row["experiment"], row["step"], row["variant"]),
                Traffic(row["impressions"], row["failed"], row["clicks"], row["reward"]),
                row["changed_at"],
                row["told_at"],
            )
            for row in rows
        ]


def mark_told(engine: Engine, told: Iterable[CountedTraffic]) -> None:
    """Keep that rows were told as they were then; what changed meanwhile is told again.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        for row in told:
            if row.told_at < row.changed_at:
                of = [LIVE_TRAFFIC.c[name] == value for name, value in row.key._asdict().items()]
                connection.execute(update(LIVE_TRAFFIC).where(*of).values(told_at=row.changed_at))


def _sums(connection: Connection, since: int, until: int) -> dict[TrafficKey, Traffic]:
    """What commits since+1 … until changed, of one snapshot of the log."""
    sums: dict[TrafficKey, Traffic] = defaultdict(Traffic)
    for table in (EXPOSURES, SUPERSEDED):
        for row in connection.execute(_shown(table, since, until)):
            sums[_key(*row[:4])].add(1, int(row[4]), int(row[5]), row[6] or 0.0)
        for row in connection.execute(_came_later(table, since, until)):
            sums[_key(*row[:4])].add(0, 0, int(row[4]), row[5] or 0.0)
    for row in connection.execute(_superseded(since, until)):
        sums[_key(*row[:4])].add(-1, -1, -int(row[4]), -(row[5] or 0.0))
    return sums


def _key(ts: float, experiment: str, step: int, variant: str) -> TrafficKey:
    try:
        day = datetime.fromtimestamp(ts, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        day = _NO_DAY
    return TrafficKey(day, experiment, step, variant)


def _group(table: Table) -> list[ColumnElement[Any]]:
    return [table.c.ts, table.c.experiment, table.c.step, table.c.variant]


def _standing(table: Table, until: int) -> list[ColumnElement[bool]]:
    """In the log as it was after commit ``until``, if it had come by then."""
    return [] if table is EXPOSURES else [SUPERSEDED.c.superseded_by > until]


def _clicked(table: Table, until: int) -> ColumnElement[int]:
    own = exists().where(
        OUTCOMES.c.decision_id == table.c.decision_id, _POSITIVE_CLICK, OUTCOMES.c.commit_number <= until
    )
    return case((own.correlate(table), 1), else_=0)


def _reward(table: Table, until: int) -> Any:
    own = select(func.sum(OUTCOMES.c.reward)).where(
        OUTCOMES.c.decision_id == table.c.decision_id, OUTCOMES.c.commit_number <= until
    )
    return own.correlate(table).scalar_subquery()


def _shown(table: Table, since: int, until: int) -> Any:
    """Exposures that came in, with whatever was filed under them by then."""
    failed = case((EXPOSURES.c.error, 1), else_=0) if table is EXPOSURES else literal(1)
    return select(*_group(table), failed, _clicked(table, until), _reward(table, until)).where(
        table.c.commit_number > since, table.c.commit_number <= until, *_standing(table, until)
    )


def _came_later(table: Table, since: int, until: int) -> Any:
    """Outcomes that came in, of exposures that were counted before."""
    new_click = func.max(case((_POSITIVE_CLICK, 1), else_=0))
    return (
        select(*_group(table), new_click * (1 - func.max(_clicked(table, since))), func.sum(OUTCOMES.c.reward))
        .select_from(OUTCOMES.join(table, OUTCOMES.c.decision_id == table.c.decision_id))
        .where(
            OUTCOMES.c.commit_number > since,
            OUTCOMES.c.commit_number <= until,
            table.c.commit_number <= since,
            *_standing(table, until),
        )
        .group_by(table.c.decision_id, *_group(table), *([SUPERSEDED.c.superseded_by] if table is SUPERSEDED else []))
    )


def _superseded(since: int, until: int) -> Any:
    """Failed sessions that were counted, and have been replaced by now: as they were counted."""
    table = SUPERSEDED
    # Superseded before their time was kept: the session that took their place came soon after.
    replacing = select(EXPOSURES.c.ts).where(EXPOSURES.c.decision_id == table.c.decision_id)
    ts = func.coalesce(table.c.ts, replacing.correlate(table).scalar_subquery())
    return select(ts, *_group(table)[1:], _clicked(table, since), _reward(table, since)).where(
        table.c.commit_number <= since, table.c.superseded_by > since, table.c.superseded_by <= until
    )


def _add(connection: Connection, sums: dict[TrafficKey, Traffic], until: int) -> None:
    rows = [
        {**key._asdict(), **vars(traffic), "changed_at": until, "told_at": NOTHING_READ}
        for key, traffic in sorted(sums.items())
        if any(astuple(traffic))
    ]
    if not rows:
        return
    added = insert(connection.dialect, LIVE_TRAFFIC)
    table = LIVE_TRAFFIC.c
    changes: dict[str, Any] = {name: table[name] + added.excluded[name] for name in vars(Traffic())}
    key = [column.name for column in LIVE_TRAFFIC.primary_key]
    connection.execute(added.on_conflict_do_update(index_elements=key, set_={**changes, "changed_at": until}), rows)
