"""Where a rollout stands, read from its folder; works while it runs, after it was killed, and when it is over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from core.errors import ConfigError
from events.aggregate import count_exposures, count_orphans
from events.database import open_database
from events.rollouts import RolloutRecord, load_rollout
from experiments.result import LookResult
from experiments.spec import parse_spec
from serving.looks import WATCH_PERCENT, looks_taken
from serving.result_documents import look_document
from serving.rollout_folder import RolloutFolder


@dataclass(frozen=True)
class RolloutStatus:
    """A rollout at this moment.

    Attributes:
        experiment: Its name.
        state: Where the controller is: pending, running, promoting, promoted, rolling_back or done.
        decision: The last decision; ``continue`` before there is one.
        reasons: Codes of its reasons, most important first.
        champion: The champion's pinned URI.
        challenger: The challenger's.
        step_percent: The challenger's share of units in the step in force; 100 in the watch.
        sessions: Sessions recorded so far.
        sessions_planned: Sessions of all steps and the watch, if nothing ends it sooner.
        looks: Looks taken.
        last_look: The last one; None before the first.
        orphans: Outcomes whose session is not in the event log.
    """

    experiment: str
    state: str
    decision: str
    reasons: tuple[str, ...]
    champion: str
    challenger: str
    step_percent: int
    sessions: int
    sessions_planned: int
    looks: int
    last_look: LookResult | None
    orphans: int

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        last = None if self.last_look is None else look_document(self.last_look)
        return {**asdict(self), "reasons": list(self.reasons), "last_look": last}


def rollout_status(run_dir: Path) -> RolloutStatus:
    """Where the rollout in a folder stands.

    Raises:
        ConfigError: The folder holds no rollout, or one that has not begun.
        EventLogError: The database cannot be read.
    """
    folder = RolloutFolder(run_dir.resolve())
    name = folder.read_request().spec.name
    engine = open_database(folder.events_url)
    try:
        record = load_rollout(engine, name)
        if record is None:
            raise ConfigError(f"rollout {name!r} has not begun; begin it: screentest rollout resume {folder.path}")
        return status_of(engine, record)
    finally:
        engine.dispose()


def status_of(engine: Engine, record: RolloutRecord, *, orphans: int | None = None) -> RolloutStatus:
    """Where a rollout stands.

    Args:
        engine: The event log.
        record: The rollout as persisted.
        orphans: What ``count_orphans`` said of the log; None: it is counted, which reads every outcome there is.

    Raises:
        EventLogError: The database cannot be read.
    """
    spec = parse_spec(record.spec)
    steps, looks = spec.rollout.steps, looks_taken(engine, record.experiment)
    return RolloutStatus(
        experiment=record.experiment,
        state=record.state,
        decision=record.decision,
        reasons=record.reasons,
        champion=record.champion_uri,
        challenger=record.challenger_uri,
        step_percent=steps[record.step_index].percent if record.step_index < len(steps) else WATCH_PERCENT,
        sessions=count_exposures(engine, record.experiment),
        sessions_planned=spec.total_sessions + spec.rollout.watch_sessions,
        looks=record.looks,
        last_look=looks[-1] if looks else None,
        orphans=count_orphans(engine) if orphans is None else orphans,
    )
