"""What an experiment measures, as its spec says it: events of a session, made into numbers of a unit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from core.event_kinds import EventKind
from experiments.metrics import Metric, MetricKind
from experiments.spec_part import Part

_PREFIX = "session_"


class EventMetric(Part):
    """One metric, made of the outcomes that are filed under a session.

    As text, ``session_EVENT`` is the share of sessions with at least one such event: ``session_click``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    event: EventKind = "click"
    """Kind of the outcomes."""
    value: Literal["any", "count", "sum"] = "any"
    """What a session is worth: 1 if it has such an event with a positive reward; how many such; what their rewards add
    up to."""
    kind: MetricKind = "ratio"
    """``ratio``: worth of the sessions per session; ``mean``: per unit; ``proportion``: units with a worth above 0;
    ``quantile``: of the sessions' worth."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of a quantile."""
    lower_is_better: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        event = given.removeprefix(_PREFIX)
        if event == given or not event:
            raise ValueError(f"{given!r} is no metric; write {_PREFIX}EVENT, e.g. session_click, or its fields")
        return {"name": given, "event": event}

    @property
    def is_share_of_sessions(self) -> bool:
        """Whether it is the share of sessions with at least one event."""
        return (self.value, self.kind) == ("any", "ratio")

    def metric(self, column: str) -> Metric:
        """The metric as ``experiments.analysis`` takes it.

        Args:
            column: Holds what each session is worth.
        """
        return Metric(self.name, self.kind, column, level=self.level, lower_is_better=self.lower_is_better)


class GuardrailMetric(EventMetric):
    """A metric that must not get worse by more than a margin."""

    margin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the control's value that may be lost; worse than that ends a rollout."""


class Guardrails(Part):
    """What ends a rollout whatever the primary metric says. Judged on the challenger's sessions."""

    srm_alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    """Sequential sample-ratio test: false alarms over all looks together, at most this."""
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of sessions in which the challenger's server failed or answered too late."""
    max_empty_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of sessions answered with an empty list."""
    latency_budget_ms: Annotated[float, Field(gt=0)] = 1000.0
    """Absolute budget for the 95th percentile of the challenger's answers."""
    metrics: tuple[GuardrailMetric, ...] = ()
    """Metrics that must not get worse."""


class Metrics(Part):
    """What is measured: the primary metric decides, the secondary ones are told, the guardrails protect."""

    primary: EventMetric = EventMetric(name="session_click")
    secondary: tuple[EventMetric, ...] = ()
    guardrails: Guardrails = Guardrails()

    @field_validator("primary", mode="before")
    @classmethod
    def _no_list(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            raise ValueError("is a list; one metric decides, name the others under secondary or guardrails.metrics")
        return given

    @model_validator(mode="after")
    def _names_differ(self) -> Metrics:
        names = [metric.name for metric in self.every]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two metrics are named {name!r}; give each a name of its own")
        return self

    @property
    def every(self) -> tuple[EventMetric, ...]:
        """All of them, the primary one first."""
        return (self.primary, *self.secondary, *self.guardrails.metrics)
