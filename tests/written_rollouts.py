"""The example rollouts as an event database holds them: record, looks, and every session and click they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, cycle
from typing import Any

from sqlalchemy import Engine, insert

from events.database import writing
from events.rollouts import RolloutRecord, create_rollout, load_rollout, save_rollout
from events.schema import EXPOSURES, OUTCOMES
from experiments.result import LookResult, RolloutResult, StepResult
from experiments.spec import ExperimentSpec
from serving.result_documents import look_document
from serving.rollout_so_far import details_of

STARTED = 1_700_000_000.0


def write_rollout(
    engine: Engine, result: RolloutResult, spec: ExperimentSpec, *, user_ids: Sequence[str] = ("101", "102", "103")
) -> RolloutRecord:
    """Write a rollout as its controller would have left it; running, where its decision is ``continue``."""
    record = create_rollout(
        engine,
        RolloutRecord(
            experiment=result.experiment,
            spec=spec.document(),
            state="running",
            champion_uri=spec.variants["champion"],
            champion_version=result.control_version,
            challenger_uri=spec.variants["challenger"],
            challenger_version=result.challenger_version,
            details=details_of(result.control, result.challenger, result.plant),
        ),
    )
    numbers, users = count(), cycle(user_ids)
    for index, step in enumerate(result.steps):
        _write_sessions(engine, result.experiment, index, step, numbers, users)
    write_looks(engine, result, spec, result.looks)
    return record


def write_looks(engine: Engine, result: RolloutResult, spec: ExperimentSpec, looks: Sequence[LookResult]) -> None:
    """Write looks one by one, as the controller takes them; with the last one of the result it is over."""
    percents = [step.percent for step in spec.rollout.steps]
    for look in looks:
        record = load_rollout(engine, result.experiment)
        assert record is not None
        over = look is result.looks[-1] and result.decision != "continue"
        changed = replace(
            record,
            looks=look.look,
            step_index=percents.index(look.step_percent) if look.step_percent in percents else len(percents),
            decision=look.decision,
            reasons=look.reasons,
            state="done" if over else "running",
        )
        save_rollout(engine, changed, look=look_document(look))


def _write_sessions(
    engine: Engine, experiment: str, index: int, step: StepResult, numbers: Iterator[int], users: Iterator[str]
) -> None:
    analysed = step.challenger_sessions + step.control_sessions
    arms = [
        ("champion", step.sessions - analysed, 0.0),
        ("control", step.control_sessions, step.control_mean),
        ("challenger", step.challenger_sessions, step.challenger_mean),
    ]
    exposures: list[dict[str, Any]] = []
    clicks: list[dict[str, Any]] = []
    for variant, sessions, mean in arms:
        clicked = round(sessions * mean) if sessions else 0
        for place in range(sessions):
            number = next(numbers)
            exposures.append(_exposure(experiment, index, variant, number, next(users)))
            if place < clicked:
                clicks.append(_click(exposures[-1]))
    with writing(engine) as connection:
        connection.execute(insert(EXPOSURES), exposures)
        if clicks:
            connection.execute(insert(OUTCOMES), clicks)


def _exposure(experiment: str, index: int, variant: str, number: int, user_id: str) -> dict[str, Any]:
    return {
        "decision_id": f"{experiment}-{number:07d}",
        "experiment": experiment,
        "unit_id": f"visitor-{number}",
        "user_id": user_id,
        "session_id": None,
        "step": index,
        "variant": variant,
        "propensity": 0.5,
        "items": [1],
        "n_items": 1,
        "context": {},
        "channel": None,
        "device": None,
        "latency_ms": 5.0,
        "error": False,
        "ts": STARTED + number,
    }


def _click(exposure: dict[str, Any]) -> dict[str, Any]:
    same = {name: exposure[name] for name in ("decision_id", "user_id", "ts")}
    return {**same, "item_id": "1", "kind": "click", "reward": 1.0, "arm": exposure["variant"], "meta": {}}
