"""What a finished (or running) rollout amounts to: the one shape that report, JSON and MLflow are written from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

DecisionKind = Literal["continue", "promote", "rollback", "keep", "invalid"]


@dataclass(frozen=True)
class MetricLook:
    """A secondary or guardrail metric at one look, cumulative; share of sessions with at least one such event.

    Attributes:
        name: The spec's name of it.
        role: Whether it protects or is only told.
        margin: Guardrail: share of the control's value that may be lost; 0 for a secondary metric.
        lower_is_better: As with returns or complaints.
        challenger_mean: 0 … 1; NaN without sessions.
        control_mean: 0 … 1; NaN without sessions.
        effect_size: challenger_mean - control_mean, stratified by step.
        ci_lower: Always-valid interval of effect_size.
        ci_upper: See ``ci_lower``.
        rel_effect_size: effect_size / control_mean.
        rel_ci_lower: Always-valid interval of rel_effect_size.
        rel_ci_upper: See ``rel_ci_lower``.
        pvalue: Always-valid p-value of no effect.
        pvalue_adjusted: Corrected for the secondary metrics; NaN for a guardrail.
        chance_to_win: Posterior probability that the challenger is better in it (flat prior).
    """

    name: str
    role: Literal["secondary", "guardrail"]
    margin: float
    lower_is_better: bool
    challenger_mean: float
    control_mean: float
    effect_size: float
    ci_lower: float
    ci_upper: float
    rel_effect_size: float
    rel_ci_lower: float
    rel_ci_upper: float
    pvalue: float
    pvalue_adjusted: float
    chance_to_win: float


@dataclass(frozen=True)
class LookResult:
    """What one look saw. Effects are challenger minus control, sessions clustered by unit, stratified by step.

    Attributes:
        look: 1-based number of the look.
        step_percent: The canary step it was taken in (100 = the watch after promotion).
        sessions: Sessions so far, all variants counted.
        challenger_sessions: Sessions of the challenger so far.
        control_sessions: Sessions of the concurrent control so far.
        challenger_mean: Click rate per session of the challenger, 0 … 1.
        control_mean: Click rate per session of the concurrent control, 0 … 1.
        effect_size: Absolute difference of the rates.
        ci_lower: Lower end of the always-valid interval of effect_size.
        ci_upper: Upper end of it.
        rel_effect_size: effect_size / control_mean; NaN where the control has no click.
        rel_ci_lower: Lower end of the always-valid interval of rel_effect_size.
        rel_ci_upper: Upper end of it.
        pvalue: Always-valid p-value of effect_size == 0.
        chance_to_win: Posterior probability that the challenger is better (flat prior).
        expected_loss: Posterior expectation of the click rate lost by choosing the challenger.
        srm_pvalue: Sequential p-value of the sample ratio.
        error_rate: Share of the challenger's sessions its server failed in.
        empty_rate: Share of the challenger's sessions with an empty list.
        latency_p95_ms: 95th percentile of the challenger's answers.
        decision: What was decided.
        reasons: Codes of the reasons (experiments/decision.py), most important first.
        log_commits: Commits that the event log had: the look rests on them and on none that came later.
        metrics: The spec's secondary and guardrail metrics; empty in the watch, which has no control.
    """

    look: int
    step_percent: int
    sessions: int
    challenger_sessions: int
    control_sessions: int
    challenger_mean: float
    control_mean: float
    effect_size: float
    ci_lower: float
    ci_upper: float
    rel_effect_size: float
    rel_ci_lower: float
    rel_ci_upper: float
    pvalue: float
    chance_to_win: float
    expected_loss: float
    srm_pvalue: float
    error_rate: float
    empty_rate: float
    latency_p95_ms: float
    decision: DecisionKind
    reasons: tuple[str, ...]
    log_commits: int = 0
    metrics: tuple[MetricLook, ...] = ()


@dataclass(frozen=True)
class StepResult:
    """One canary step on its own (only its sessions), for the reader.

    Attributes:
        percent: 5, 25, 50 … or 100 for the watch.
        sessions: Sessions of the whole traffic in this step.
        looks: Looks taken in it.
        challenger_sessions: The challenger's sessions in this step.
        control_sessions: The concurrent control's sessions in this step.
        challenger_mean: Click rate per session, 0 … 1; NaN without sessions.
        control_mean: Click rate per session, 0 … 1; NaN without sessions.
        decision: The last look's decision in this step.
    """

    percent: int
    sessions: int
    looks: int
    challenger_sessions: int
    control_sessions: int
    challenger_mean: float
    control_mean: float
    decision: DecisionKind


@dataclass(frozen=True)
class RolloutResult:
    """A rollout from first to last look.

    Attributes:
        experiment: The spec's name.
        decision: The final decision ("continue" while it runs).
        reasons: Codes of the reasons, most important first.
        control: The champion's model name, e.g. "popularity".
        control_version: Its version in MLflow.
        challenger: The challenger's model name.
        challenger_version: Its version in MLflow.
        champion_after: Model version that holds the alias ``champion`` now.
        plant: What was planted on purpose: none, aa, uplift, damage, shuffle.
        units: Distinct units (simulated users) in challenger and control.
        steps: Each canary step.
        looks: Each look, in order; the last one holds the final figures.
        orphans: Outcomes in the event log whose session is not in it; no session counts them.
        all_units: Distinct units of the whole traffic while it ran; 0 where nobody has counted.
        exposed_units: Those of them that the challenger was ever due to, the watch included.
        simulated: Whether the visitors are simulated.
    """

    experiment: str
    decision: DecisionKind
    reasons: tuple[str, ...]
    control: str
    control_version: str
    challenger: str
    challenger_version: str
    champion_after: str
    plant: str
    units: int
    steps: tuple[StepResult, ...]
    looks: tuple[LookResult, ...]
    orphans: int = 0
    all_units: int = 0
    exposed_units: int = 0
    simulated: bool = True

    @property
    def final(self) -> LookResult:
        """The last look of the test itself: the watch at 100 % has no control to compare with.

        Raises:
            IndexError: No look has been taken yet.
        """
        return [look for look in self.looks if look.step_percent < 100][-1]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, with the final look's figures at the top level, as the demo's JSON holds them."""
        final = asdict(self.final)
        top = {name: final[name] for name in FINAL_FIGURES}
        return {**asdict(self), **top}


FINAL_FIGURES = (
    "effect_size",
    "rel_effect_size",
    "ci_lower",
    "ci_upper",
    "rel_ci_lower",
    "rel_ci_upper",
    "pvalue",
    "chance_to_win",
    "expected_loss",
)
