"""The experiment spec: one YAML that simulation, policy server, pipeline and report all read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError
from core.validation_text import Problem, in_one_line


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variants(_Part):
    """The two contestants, each pinned to a version: ``models:/recommender/3``, never an alias."""

    champion: Annotated[str, Field(pattern=r"^models:/[^/@]+/\d+$")]
    challenger: Annotated[str, Field(pattern=r"^models:/[^/@]+/\d+$")]


class Guardrails(_Part):
    """What ends a rollout whatever the primary metric says. Judged on the challenger's sessions."""

    srm_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    """Sequential sample-ratio test: false alarms over all looks together, at most this."""
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of sessions in which the challenger's server failed or answered too late."""
    max_empty_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of sessions answered with an empty list."""
    latency_budget_ms: Annotated[float, Field(gt=0)] = 1000.0
    """Absolute budget for the 95th percentile of the challenger's answers."""


class Metrics(_Part):
    """What is measured per session."""

    primary: Literal["session_click"] = "session_click"
    """1 if any item of the session's list was clicked, else 0."""
    guardrails: Guardrails = Guardrails()


class Analysis(_Part):
    """How the primary metric is tested, always clustered by unit and stratified by step."""

    method: Literal["confidence_sequence"] = "confidence_sequence"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Two-sided, over all looks together."""
    n_star: Annotated[float, Field(gt=0)] = 18_000
    """Effective sessions at which the confidence sequence is tightest."""


class Stopping(_Part):
    """When to look, and how much must be seen before a look may decide."""

    look_every: Annotated[int, Field(ge=1)] = 1000
    """Sessions between looks, all variants counted."""
    min_challenger_sessions: Annotated[int, Field(ge=1)] = 100


class Step(_Part):
    """One step of the canary: the challenger gets ``percent`` % of units, a concurrent control as many."""

    percent: Annotated[int, Field(ge=1, le=50)]
    sessions: Annotated[int, Field(ge=1)]
    """Sessions of the whole traffic, champion included, before the next step."""


class Rollout(_Part):
    """The canary's steps. Promotion is decided at the last one only; rollback at any."""

    steps: tuple[Step, ...] = (
        Step(percent=5, sessions=4_000),
        Step(percent=25, sessions=6_000),
        Step(percent=50, sessions=26_000),
    )
    watch_sessions: Annotated[int, Field(ge=0)] = 1_000
    """Sessions at 100 % after a promotion, watched by guardrails only, before the alias moves for good."""

    @model_validator(mode="after")
    def _ranges_only_extend(self) -> Rollout:
        percents = [step.percent for step in self.steps]
        if not percents:
            raise ValueError("needs at least one step, e.g. {percent: 50, sessions: 26000}")
        if percents != sorted(set(percents)):
            raise ValueError(f"percent must rise from step to step, given {percents}")
        return self


class ExperimentSpec(_Part):
    """One rollout, start to finish. Everything that decides it is in here."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    salt: str = ""
    """Salt of the assignment hash; empty: the name."""
    unit: str = "user_id"
    """What is assigned: ``user_id``, or a key of the request's context, e.g. ``visitor_id``."""
    variants: Variants
    metrics: Metrics = Metrics()
    analysis: Analysis = Analysis()
    stopping: Stopping = Stopping()
    rollout: Rollout = Rollout()

    @model_validator(mode="after")
    def _steps_hold_whole_looks(self) -> ExperimentSpec:
        for step in self.rollout.steps:
            if step.sessions % self.stopping.look_every:
                raise ValueError(
                    f"rollout.steps: {step.sessions} sessions at {step.percent} % is no multiple of "
                    f"stopping.look_every == {self.stopping.look_every}"
                )
        return self

    @property
    def hash_salt(self) -> str:
        """The salt in force."""
        return self.salt or self.name

    @property
    def total_sessions(self) -> int:
        """Sessions over all steps, the watch after promotion not counted."""
        return sum(step.sessions for step in self.rollout.steps)


def parse_spec(document: Any) -> ExperimentSpec:
    """A spec from parsed YAML or JSON.

    Raises:
        ConfigError: One line naming each field at fault and what is allowed.
    """
    try:
        return ExperimentSpec.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"experiment spec: {in_one_line(error, _problem)}") from error


def _problem(problem: Problem) -> str:
    return f"{problem.name or 'spec'}: {problem.message} (given {problem.given!r})"
