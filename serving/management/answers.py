"""What the management API answers, as its OpenAPI document describes it; further fields may come with it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["rollout", "fixed", "bandit"]


class Answer(BaseModel):
    """What every answer is: an object."""

    model_config = ConfigDict(extra="allow")


class Refusal(BaseModel):
    """Every refusal, whatever the status."""

    error: str = Field(description="What was given, what is allowed, what to do.")


class VariantOf(Answer):
    """A variant of an A/B/n test or a bandit."""

    uri: str = Field(description="The pinned version.", examples=["models:/recommender/3"])
    url: str | None = Field(description="Its model server; null before the first start.")


class ExperimentSummary(Answer):
    """An experiment in a few facts. A rollout's has champion, challenger, verdict and more beside them."""

    experiment: str = Field(description="Its name.")
    kind: Kind = Field(description="The spec's traffic.policy.")
    state: str = Field(description="draft, running, paused or stopped; of a rollout: the controller's word.")
    sessions: int = Field(description="Sessions recorded so far.")
    started_at: float | None = Field(description="Seconds since 1970.")
    updated_at: float = Field(description="Seconds since 1970.")


class ExperimentList(Answer):
    """Experiments, the one made last first."""

    experiments: list[ExperimentSummary]


class Experiment(ExperimentSummary):
    """One experiment with its spec. A rollout has looks, steps and words beside it, a test its control and variants."""

    spec: dict[str, Any] = Field(description="See docs/SPEC.md.")
    variants: dict[str, VariantOf] | None = None


class SeenUser(Answer):
    """Somebody who was shown a list."""

    user_id: str
    variant: str
    ts: float = Field(description="Seconds since 1970, of the latest list.")


class SeenUsers(Answer):
    """Users of the latest sessions, latest first."""

    users: list[SeenUser]


class LaneFigures(Answer):
    """Sessions and what they brought."""

    sessions: int
    units: int
    reward_per_session: float | None = Field(description="Null without sessions.")
    ci_lower: float | None = Field(description="Of an interval that holds at every look; null before 100 units.")
    ci_upper: float | None
    status: str = Field(description="ok, no_units, burn_in or why there is no interval.")


class Lane(LaneFigures):
    """A lane as a whole, and its variants."""

    variants: dict[str, LaneFigures]


class Lanes(Answer):
    """The fixed and the bandit lane side by side."""

    metric: str
    alpha: float
    lanes: dict[Literal["fixed", "bandit"], Lane]
    difference: dict[str, float | str | None] | None = Field(description="Bandit minus fixed; null with one lane.")


class Comparison(Answer):
    """A variant against the control in one metric."""

    metric: str
    variant: str
    control: str
    effect_size: float | None
    ci_lower: float | None
    ci_upper: float | None
    pvalue: float | None
    status: str


class Verdict(Answer):
    """What to do."""

    decision: str
    reason: str
    sentence: str
    sentence_ko: str


class Analysis(Answer):
    """What ``screentest decide --json`` prints."""

    experiment: str
    sessions: int
    log_commits: int
    comparisons: list[Comparison]
    srm: dict[str, Any]
    units: dict[str, int]
    verdict: Verdict


class Results(Answer):
    """What an experiment has come to. Of a rollout: what GET /experiments/{name} tells."""

    experiment: str
    kind: Kind
    state: str
    sessions: int
    lanes: Lanes | None = None
    analysis: Analysis | None = Field(None, description="Of the fixed lane; null where there is nothing to analyse.")
    no_analysis: str = Field("", description="Why not.")


class ServersBody(BaseModel):
    """Who serves the variants."""

    model_config = ConfigDict(extra="forbid")

    servers: dict[str, str] = Field(
        default_factory=dict,
        description="Variant to the address of a model server of the version that the spec pins. After a pause, those "
        "that are not named stay.",
        examples=[{"control": "http://recommender-control", "fresh": "http://recommender-fresh"}],
    )


class RetrainBody(BaseModel):
    """What is to be trained."""

    model_config = ConfigDict(extra="forbid", strict=True)

    models: list[str] = Field(
        default=["popularity", "item_knn", "ease"],
        min_length=1,
        max_length=20,
        description="Names of models (screentest models list), each once.",
    )
    configs: dict[str, dict[str, Any]] = Field(default={}, description="Hyperparameters by model.")
    seed: int = Field(default=42, ge=0, le=2**31 - 1, description="Of the split and the bootstrap.")
    reason: str = Field(default="", max_length=500, description="Why, for people.")


class Retrain(Answer):
    """A request to train again."""

    id: int
    state: Literal["waiting", "running", "done", "failed"]
    arguments: dict[str, Any]
    reason: str
    requested_by: str
    progress: str = Field(description="How far it is.")
    message: str = Field(description="How it ended.")
    run: str = Field(description="Folder of the run.")
    result: dict[str, Any] = Field(description="Of one that is done: pinned URIs of champion and challenger.")
    requested_at: float
    started_at: float | None
    finished_at: float | None


class RetrainList(Answer):
    """The latest requests, the last one first."""

    requests: list[Retrain]


class VersionOf(Answer):
    """A version of the registered model."""

    version: str
    uri: str
    model: str = Field(description="The wrapper's name, e.g. ease.")
    metrics: dict[str, float | None]
    provenance: dict[str, str]


class Registry(Answer):
    """What MLflow says."""

    reachable: bool
    error: str | None = Field(description="Why MLflow says nothing.")
    champion: VersionOf | None
    challenger: VersionOf | None


class ServedVariant(Answer):
    """A variant of the route in force."""

    variant: str
    version: str
    url: str
    ready: bool
    error: str | None


class Serving(Answer):
    """The route in force."""

    experiment: str | None = Field(description="Null where nothing is routed.")
    revision: int | None
    percent: int | None
    variants: list[ServedVariant]


class Percentiles(Answer):
    """Of the time to answer a list, since the server was started."""

    p50: float | None
    p95: float | None


class Counters(Answer):
    """Since the server was started."""

    decisions: int
    by_arm: dict[str, int]
    model_errors: int
    outcomes: int
    lost_exposures: int
    shed: int
    latency_ms: Percentiles


class ModelStatus(Answer):
    """The model that is served, from MLflow, the route and the server's own counters."""

    model: str
    registry: Registry
    serving: Serving
    counters: Counters
    started_at: float = Field(description="Seconds since 1970.")
