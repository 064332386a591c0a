"""The experiment spec: one YAML that simulation, policy server, pipeline and report all read."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from core.errors import BadInput, ConfigError
from core.validation_text import Problem, in_one_line
from experiments.allocation import Allocation
from experiments.analysis import LOSS_THRESHOLD, AnalysisPlan
from experiments.bandits.registry import bandit
from experiments.bayes.bayesian_lift import FLAT, NormalPrior
from experiments.inference.multiplicity import Correction
from experiments.spec_bandit import spec_bandit
from experiments.spec_metrics import Metrics
from experiments.spec_part import Part
from experiments.spec_traffic import BanditTraffic, RolloutTraffic, Traffic, named_policy

ModelUri: TypeAlias = Annotated[str, Field(pattern=r"^models:/[^/@]+/\d+$")]
"""A model pinned to a version: ``models:/recommender/3``, never an alias."""
#: It stands in an index with the ids of units and decisions, whose rows PostgreSQL limits.
_LONGEST_VARIANT = 63
_ROLLOUT_VARIANTS = {"champion", "challenger"}


class Analysis(Part):
    """How metrics are tested; in a rollout always clustered by unit and stratified by step."""

    method: Literal["sequential", "fixed", "group", "bayesian"] = "sequential"
    """``sequential``: look as often as you like; ``fixed``: once; ``group``: ``looks`` times; ``bayesian``: until the
    expected loss is small. A rollout is ``sequential``."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Two-sided, over all looks together."""
    n_star: Annotated[float, Field(gt=0)] = 18_000
    """Effective sessions (in an A/B/n test: units of two arms) at which the confidence sequence is tightest."""
    correction: Correction = "holm"
    """For several variants and metrics."""
    looks: Annotated[int, Field(ge=1)] = 5
    """``group``: looks that are planned."""
    loss_threshold: Annotated[float, Field(gt=0)] = LOSS_THRESHOLD
    """``bayesian``: share of the control's value that one does not mind losing, on average."""
    prior_sd: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of the relative lifts one expects; 0: a flat prior."""
    covariate: str = ""
    """Key of the context that holds a number known of a unit beforehand (CUPED); empty: none."""
    segments: tuple[str, ...] = ()
    """``device``, ``channel`` or keys of the context to compare within."""


class Stopping(Part):
    """When to look, and how much must be seen before a look may decide."""

    look_every: Annotated[int, Field(ge=1)] = 1000
    """Sessions between looks, all variants counted."""
    min_challenger_sessions: Annotated[int, Field(ge=1)] = 100
    max_sessions: Annotated[int, Field(ge=1)] | None = None
    """Sessions after which an A/B/n test is over; None: until somebody stops it."""


class Step(Part):
    """One step of the canary: the challenger gets ``percent`` % of units, a concurrent control as many."""

    percent: Annotated[int, Field(ge=1, le=50)]
    sessions: Annotated[int, Field(ge=1)]
    """Sessions of the whole traffic, champion included, before the next step."""


class Rollout(Part):
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


class ExperimentSpec(Part):
    """One experiment, start to finish. Everything that decides it is in here."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    salt: str = ""
    """Salt of the assignment hash; empty: the name."""
    unit: str = "user_id"
    """What is assigned: ``user_id``, or a key of the request's context, e.g. ``visitor_id``."""
    variants: Annotated[dict[str, ModelUri], Field(min_length=2)]
    """Name to model; in a rollout ``champion`` and ``challenger``."""
    control: str = ""
    """The variant that the others are compared with; empty: ``champion``, or ``control``, if there is one."""
    traffic: Traffic = RolloutTraffic()
    metrics: Metrics = Metrics()
    analysis: Analysis = Analysis()
    stopping: Stopping = Stopping()
    rollout: Rollout = Rollout()

    @field_validator("traffic", mode="before")
    @classmethod
    def _policy_is_said(cls, given: Any) -> Any:
        return named_policy(given)

    @field_validator("variants")
    @classmethod
    def _names_are_plain(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if not name or name != name.strip() or "/" in name or name in ("*", "all") or not name.isprintable():
                raise ValueError(f"{name!r} is no name of a variant; use letters, digits, - and _")
            if len(name) > _LONGEST_VARIANT:
                raise ValueError(
                    f"{name[:20]!r}… has {len(name)} characters, at most {_LONGEST_VARIANT} name a variant"
                )
        return given

    @model_validator(mode="after")
    def _parts_fit(self) -> ExperimentSpec:
        taken = {"unit_id", "variant", "device", "channel", self.analysis.covariate, *self.analysis.segments}
        for metric in self.metrics.every:
            if metric.name in taken:
                raise ValueError(f"metrics: {metric.name!r} is a column of the sessions; give the metric another name")
        if self.control and self.control not in self.variants:
            raise ValueError(f"control == {self.control!r}, must be one of the variants: {', '.join(self.variants)}")
        if isinstance(self.traffic, RolloutTraffic):
            self._check_rollout()
        elif not self.control_variant:
            raise ValueError(f"has no control; set control to one of the variants: {', '.join(self.variants)}")
        else:
            try:
                _ = self.allocation
            except ConfigError as error:
                raise ValueError(f"traffic: {error}") from error
            if isinstance(self.traffic, BanditTraffic):
                self._check_bandit(self.traffic)
        return self

    def _check_rollout(self) -> None:
        if set(self.variants) != _ROLLOUT_VARIANTS or self.control not in ("", "champion"):
            raise ValueError(
                f"variants are {', '.join(self.variants)}; a rollout has champion (the control) and challenger. For "
                "others set traffic.policy to fixed or bandit"
            )
        if self.analysis.method != "sequential":
            raise ValueError(
                f"analysis.method == {self.analysis.method!r}, must be sequential in a rollout: it is looked at again "
                "and again"
            )
        primary = self.metrics.primary
        if not primary.is_share_of_sessions or primary.event != "click" or primary.lower_is_better:
            raise ValueError(
                f"metrics.primary is {primary.name}; a rollout decides by session_click. Name others under secondary "
                "or guardrails.metrics, or set traffic.policy to fixed or bandit"
            )
        if not all(metric.is_share_of_sessions for metric in self.metrics.every):
            raise ValueError(
                "metrics: a rollout measures shares of sessions (value: any, kind: ratio); other metrics need "
                "traffic.policy fixed or bandit"
            )
        for step in self.rollout.steps:
            if step.sessions % self.stopping.look_every:
                raise ValueError(
                    f"rollout.steps: {step.sessions} sessions at {step.percent} % is no multiple of "
                    f"stopping.look_every == {self.stopping.look_every}"
                )

    def _check_bandit(self, traffic: BanditTraffic) -> None:
        if traffic.min_exposure * len(self.variants) > 1:
            raise ValueError(
                f"traffic.min_exposure == {traffic.min_exposure} for {len(self.variants)} variants adds up to more "
                "than 1; lower it"
            )
        metric = self.metrics.primary
        try:
            spec_bandit(traffic, self.variant_names)
            kind = bandit(traffic.algorithm).reward_kind
            if kind != "real" and metric.value != "any":
                raise ConfigError(
                    f"metrics.primary: a session is worth value == {metric.value!r}, {traffic.algorithm} learns from "
                    "any; choose another algorithm, e.g. thompson_gaussian, or value: any"
                )
        except BadInput as error:
            raise ValueError(str(error)) from error

    def document(self) -> dict[str, Any]:
        """The spec as plain values for ``parse_spec``, without what is unset: a pipeline's parameters hold no null."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def hash_salt(self) -> str:
        """The salt in force."""
        return self.salt or self.name

    @property
    def control_variant(self) -> str:
        """The variant that the others are compared with; empty where the spec leaves it open, which is refused."""
        return self.control or next((name for name in ("champion", "control") if name in self.variants), "")

    @property
    def variant_names(self) -> tuple[str, ...]:
        """The control, then the others by name: an order that survives whatever writes the spec down again."""
        return (self.control_variant, *sorted(set(self.variants) - {self.control_variant}))

    @property
    def total_sessions(self) -> int:
        """Sessions over all steps, the watch after promotion not counted."""
        return sum(step.sessions for step in self.rollout.steps)

    @cached_property
    def allocation(self) -> Allocation:
        """How units are dealt to the variants of an A/B/n test, or of a bandit's fixed lane.

        Raises:
            ConfigError: It is a rollout, whose canary deals them (``assignment.rollout_variant``).
        """
        traffic = self.traffic
        if isinstance(traffic, RolloutTraffic):
            raise ConfigError("traffic.policy == 'rollout': the canary deals the units; set it to fixed or bandit")
        for name in traffic.weights:
            if name not in self.variants:
                raise ConfigError(f"weights name {name!r}, must be of the variants {', '.join(self.variants)}")
        given = [traffic.weights.get(name, 0.0 if traffic.weights else 1.0) for name in self.variant_names]
        whole = sum(given)
        if not 0 < whole < float("inf"):
            raise ConfigError(f"weights == {traffic.weights}, must have a number above 0")
        return Allocation(
            name=self.name,
            variants=self.variant_names,
            weights=tuple(weight / whole for weight in given),
            coverage=traffic.coverage,
            salt=self.salt,
            namespace=None if traffic.namespace is None else traffic.namespace.namespace(),
            holdouts=tuple(part.holdout() for part in traffic.holdouts),
            forced=traffic.forced,
            bucket_version=traffic.bucket_version,
            min_bucket_version=traffic.min_bucket_version,
        )

    def plan(self, look: int = 1) -> AnalysisPlan:
        """How an A/B/n test, or the fixed lane beside a bandit, is analysed.

        Args:
            look: For ``group``: which of the looks this is, from 1.

        Raises:
            ConfigError: There is no such look, it is a rollout, or a bandit without a fixed lane.
        """
        analysis, allocation = self.analysis, self.allocation
        if isinstance(self.traffic, BanditTraffic) and self.traffic.share == 1:
            raise ConfigError(
                "traffic.share == 1: the bandit has all units, and what it prefers it shows to whom it likes; no split "
                "is left to compare. Lower it, or estimate each variant from the propensities: screentest ope"
            )
        return AnalysisPlan(
            control=self.control_variant,
            method=analysis.method,
            alpha=analysis.alpha,
            correction=analysis.correction,
            n_star=analysis.n_star,
            looks=analysis.looks if analysis.method == "group" else 1,
            look=look,
            prior=NormalPrior(0.0, analysis.prior_sd) if analysis.prior_sd else FLAT,
            loss_threshold=analysis.loss_threshold,
            weights=dict(zip(allocation.variants, allocation.weights, strict=True)),
            srm_alpha=self.metrics.guardrails.srm_alpha,
        )


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
    # Of the spec as a whole the message says what is wrong; printing all of it would not help.
    return f"{problem.name}: {problem.message} (given {problem.given!r})" if problem.name else problem.message
