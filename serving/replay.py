"""A rollout decided again from its spec and its events, look by look, and held against what was decided then."""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from sqlalchemy import Engine

from core.errors import RolloutError
from experiments.result import LookResult
from experiments.spec import ExperimentSpec
from serving.looks import WATCH_PERCENT, looks_taken, take_look, take_watch_look
from serving.result_documents import look_document


class ReplayedLook(NamedTuple):
    """One look, twice.

    Attributes:
        recorded: As it was taken.
        replayed: As spec and events give it now.
    """

    recorded: LookResult
    replayed: LookResult

    @property
    def differing(self) -> tuple[str, ...]:
        """Figures that are not the same to the last bit; NaN equals NaN."""
        one, other = look_document(self.recorded), look_document(self.replayed)
        return tuple(field.name for field in fields(LookResult) if one[field.name] != other[field.name])


def replay(engine: Engine, spec: ExperimentSpec) -> tuple[ReplayedLook, ...]:
    """Take every look of a rollout again, on the log as it was then, whatever has come in since.

    Args:
        engine: The event log.
        spec: The experiment.

    Raises:
        RolloutError: No look of this experiment is recorded.
        EventLogError: The log cannot be read.
    """
    looks = looks_taken(engine, spec.name)
    if not looks:
        raise RolloutError(f"no look of {spec.name!r} is recorded in this event log; there is nothing to replay")
    return tuple(ReplayedLook(look, _again(engine, spec, looks, place)) for place, look in enumerate(looks))


def _again(engine: Engine, spec: ExperimentSpec, looks: tuple[LookResult, ...], place: int) -> LookResult:
    look = looks[place]
    if look.step_percent != WATCH_PERCENT:
        percents = [step.percent for step in spec.rollout.steps]
        if look.step_percent not in percents:
            raise RolloutError(f"look {look.look} was taken at {look.step_percent} %, which is no step of the spec")
        step_index = percents.index(look.step_percent)
        return take_look(
            engine, spec, number=look.look, step_index=step_index, sessions=look.sessions, as_of=look.log_commits
        )[1]
    watched = sum(one.step_percent == WATCH_PERCENT for one in looks[: place + 1])
    is_last = watched * spec.stopping.look_every >= spec.rollout.watch_sessions
    return take_watch_look(
        engine, spec, number=look.look, sessions=look.sessions, is_last=is_last, as_of=look.log_commits
    )[1]
