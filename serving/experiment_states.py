"""Every experiment, of whatever kind, in one list, and how far one is: what the API and its watchers read."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Engine

from events.aggregate import count_exposures
from events.experiments import ExperimentRecord, list_experiments, load_experiment
from events.rollouts import RolloutRecord, list_rollouts, load_rollout
from experiments.spec import parse_spec
from serving.experiment_documents import summary_document
from serving.rollout_pages import KIND, RolloutPages

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MOST_NAMED = 20


def summaries(engine: Engine, rollouts: RolloutPages, kind: str | None = None) -> list[dict[str, Any]]:
    """Experiments in a few facts, the one made last first.

    Args:
        engine: The event log.
        rollouts: Reads those.
        kind: rollout, fixed or bandit; None: all of them.

    Raises:
        EventLogError: The log cannot be read.
    """
    found = rollouts.summaries() if kind in (None, KIND) else []
    if kind != KIND:
        for record in list_experiments(engine):
            if kind in (None, record.spec["traffic"]["policy"]):
                found.append(summary_document(record, sessions=count_exposures(engine, record.name)))
    return sorted(found, key=lambda one: _made(one), reverse=True)


def find(engine: Engine, name: str) -> ExperimentRecord | RolloutRecord | None:
    """The experiment or rollout of that name; None where there is none.

    Raises:
        EventLogError: The log cannot be read.
    """
    # No other name was ever kept, and PostgreSQL does not even take some as a parameter.
    if not _NAME.fullmatch(name):
        return None
    return load_experiment(engine, name) or load_rollout(engine, name)


def names(engine: Engine) -> list[str]:
    """Names there are, the latest first, at most twenty of each kind.

    Raises:
        EventLogError: The log cannot be read.
    """
    found = [record.name for record in list_experiments(engine)[:_MOST_NAMED]]
    return found + [record.experiment for record in list_rollouts(engine)[:_MOST_NAMED]]


def state_document(engine: Engine, name: str) -> dict[str, Any] | None:
    """How far it is, in as little reading as can be: this is read every second while somebody watches.

    Returns:
        ``experiment``, ``kind``, ``state``, ``sessions``, ``updated_at``; of a rollout also ``looks``, ``decision``,
        ``reasons`` and ``step_index``, else null. None where there is no such experiment.

    Raises:
        EventLogError: The log cannot be read.
    """
    record = find(engine, name)
    if record is None:
        return None
    told = {"experiment": name, "sessions": count_exposures(engine, name), "updated_at": record.updated_at}
    if isinstance(record, RolloutRecord):
        return told | {
            "kind": KIND,
            "state": record.state,
            "looks": record.looks,
            "decision": record.decision,
            "reasons": list(record.reasons),
            "step_index": record.step_index,
        }
    policy = parse_spec(record.spec).traffic.policy
    nothing = dict.fromkeys(("looks", "decision", "reasons", "step_index"))
    return told | {"kind": policy, "state": record.state} | nothing


def _made(one: dict[str, Any]) -> float:
    return float(one.get("created_at") or one["started_at"])
