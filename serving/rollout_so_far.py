"""What a rollout amounts to at this moment, from its database alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Engine

from events.aggregate import count_orphans, count_units
from events.rollouts import RolloutRecord
from experiments.result import DecisionKind, RolloutResult
from experiments.spec import parse_spec
from serving.looks import distinct_units, looks_taken, step_results


def details_of(champion: str, challenger: str, plant: str, *, simulated: bool = True) -> dict[str, Any]:
    """What a rollout's record keeps for readers: the models' names, what was planted, whose traffic it is."""
    return {"models": {"champion": champion, "challenger": challenger}, "plant": plant, "simulated": simulated}


def model_names(record: RolloutRecord) -> tuple[str, str]:
    """The champion's and the challenger's model name; the registered model's, where the record does not tell."""
    told: Mapping[str, str] = record.details.get("models", {})
    return (
        told.get("champion", "") or _registered_name(record.champion_uri),
        told.get("challenger", "") or _registered_name(record.challenger_uri),
    )


def result_so_far(engine: Engine, record: RolloutRecord, *, champion_after: str = "") -> RolloutResult:
    """Every look and step of a rollout, with the decision as it stands.

    Args:
        engine: The event log.
        record: The rollout as persisted.
        champion_after: The version that holds the alias ``champion`` now; empty where nobody has asked MLflow.

    Raises:
        EventLogError: The log cannot be read.
        ConfigError: The spec in the record cannot be used.
    """
    spec = parse_spec(record.spec)
    looks = looks_taken(engine, record.experiment)
    champion, challenger = model_names(record)
    return RolloutResult(
        experiment=record.experiment,
        decision=cast(DecisionKind, record.decision),
        reasons=record.reasons,
        control=champion,
        control_version=record.champion_version,
        challenger=challenger,
        challenger_version=record.challenger_version,
        champion_after=champion_after,
        plant=record.details.get("plant", "none"),
        units=distinct_units(engine, spec),
        steps=step_results(engine, spec, looks),
        looks=looks,
        orphans=count_orphans(engine),
        simulated=record.details.get("simulated", True),
        all_units=count_units(engine, spec.name),
        exposed_units=count_units(engine, spec.name, "challenger"),
    )


def _registered_name(uri: str) -> str:
    """``models:/recommender/3`` to ``recommender``."""
    return uri.removeprefix("models:/").partition("/")[0]
