"""Where a rollout stands, read from its folder; works while it runs, after it was killed, and when it is over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from events.aggregate import count_exposures
from events.database import open_database
from events.rollouts import load_rollout
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
        looks = looks_taken(engine, name)
        sessions = count_exposures(engine, name)
    finally:
        engine.dispose()
    spec = parse_spec(record.spec)
    steps = spec.rollout.steps
    return RolloutStatus(
        experiment=name,
        state=record.state,
        decision=record.decision,
        reasons=record.reasons,
        champion=record.champion_uri,
        challenger=record.challenger_uri,
        step_percent=steps[record.step_index].percent if record.step_index < len(steps) else WATCH_PERCENT,
        sessions=sessions,
        sessions_planned=spec.total_sessions + spec.rollout.watch_sessions,
        looks=record.looks,
        last_look=looks[-1] if looks else None,
    )
