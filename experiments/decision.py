"""The one decision function: simulation, controller and benchmarks all pass through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from experiments.bayes.bayesian import gaussian_posterior
from experiments.guardrails import broken_guardrails
from experiments.inference.clusters import ClusterMoments
from experiments.inference.srm import sequential_srm
from experiments.inference.stratified import Effect, stratified_effect
from experiments.looks.sequential import Interval, always_valid_pvalue, confidence_sequence
from experiments.metric_looks import MetricArms, harmed, metric_looks, unproven
from experiments.result import DecisionKind, LookResult, MetricLook
from experiments.spec import ExperimentSpec

Reason = Literal[
    "srm",
    "error_rate",
    "empty_rate",
    "latency",
    "guardrail_worse",
    "primary_worse",
    "primary_better",
    "guardrail_unproven",
    "control_failed",
    "no_boundary_crossed",
    "guardrails_held",
    "too_few_sessions",
    "effect_undefined",
    "better_before_last_step",
    "guardrail_undecided",
    "control_failing",
    "undecided",
]

REASONS: dict[Reason, DecisionKind] = {
    # Challenger and control did not get equally many units: assignment or logging is broken, nothing can be concluded.
    "srm": "invalid",
    # The challenger's server failed, or answered too late, in too many sessions.
    "error_rate": "rollback",
    # Too many of the challenger's lists were empty.
    "empty_rate": "rollback",
    # The 95th percentile of the challenger's answers is over its budget.
    "latency": "rollback",
    # The always-valid interval of a guardrail metric lies beyond its margin, on the bad side.
    "guardrail_worse": "rollback",
    # The always-valid interval of the primary effect lies below 0.
    "primary_worse": "rollback",
    # It lies above 0, in the last step.
    "primary_better": "promote",
    # The primary metric is better, but the planned sessions did not show that a guardrail metric keeps its margin.
    "guardrail_unproven": "keep",
    # The primary metric is better, but the control's server failed so often that lesser lists may be the cause.
    "control_failed": "keep",
    # The last look of the last step left 0 inside the interval, or could not decide.
    "no_boundary_crossed": "keep",
    # At 100 % only: no guardrail was broken while all traffic was the challenger's.
    "guardrails_held": "promote",
    # The challenger has fewer sessions than stopping.min_challenger_sessions.
    "too_few_sessions": "continue",
    # There is no interval yet: an arm has too few units, or nobody clicked.
    "effect_undefined": "continue",
    # The interval lies above 0, but promotion is decided in the last step only.
    "better_before_last_step": "continue",
    # The primary metric is better in the last step; a guardrail metric may still lose more than its margin.
    "guardrail_undecided": "continue",
    # It is better in the last step, and would not be had the control's failed sessions all been clicked.
    "control_failing": "continue",
    # 0 is still inside the interval.
    "undecided": "continue",
}
"""Every reason code and the decision it stands for, most important first."""

SRM_WEIGHTS = (0.5, 0.5)


@dataclass(frozen=True)
class LookData:
    """What has been seen when a look is taken; everything is cumulative since the rollout began.

    Intention to treat: every session belongs to the variant it was assigned to, in the moments and as its unit's first
    exposure. One that failed (nobody could answer) has no click, unless the caller asked again and was answered: then
    it counts once, as answered. One in which the challenger failed and the champion's list was shown is the
    challenger's with the clicks it got; it is among ``errors`` too. One in which the control failed is the control's
    with the clicks that a lesser list got, or none, and among ``control_errors``: see ``decide``.

    Whether the look ends its step follows from ``sessions`` and the spec.

    Attributes:
        step_index: 0-based canary step the look is taken in.
        sessions: Sessions so far, all variants counted.
        challenger: Moments of the challenger's units, one stratum per step of the spec.
        control: Moments of the concurrent control's, as many strata.
        challenger_units: Distinct units ever exposed to the challenger, for the sample ratio.
        control_units: Distinct units ever exposed as concurrent control.
        challenger_sessions: Sessions assigned to the challenger, failed ones included.
        errors: Of these, sessions its server failed in or answered too late.
        empty: Of these, sessions its server answered with an empty list; failed ones are errors only.
        latency_p95_ms: 95th percentile of its answers; NaN where none is known.
        control_errors: Sessions of the concurrent control that its server failed in, or answered too late.
        metrics: By name, the spec's secondary and guardrail metrics, as the primary one is in challenger and control.
    """

    step_index: int
    sessions: int
    challenger: ClusterMoments
    control: ClusterMoments
    challenger_units: int
    control_units: int
    challenger_sessions: int
    errors: int = 0
    empty: int = 0
    latency_p95_ms: float = math.nan
    control_errors: int = 0
    metrics: Mapping[str, MetricArms] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What to do, why, and the figures it rests on.

    Attributes:
        kind: ``continue``, ``promote``, ``rollback``, ``keep`` or ``invalid``.
        reasons: Codes of ``REASONS``, most important first, never empty.
        advance_step: The look ends its step and the rollout goes on: begin the next step.
        effect: The stratified effect; None at 100 %, where there is no control.
        ci: Always-valid interval of effect.effect_size.
        rel_ci: Always-valid interval of effect.rel_effect_size.
        pvalue: Always-valid p-value of no effect.
        chance_to_win: Posterior probability that the challenger is better (flat prior).
        expected_loss: Posterior expectation of the click rate lost by choosing the challenger.
        srm_pvalue: Sequential p-value of the sample ratio.
        error_rate: errors / challenger_sessions; NaN without sessions.
        empty_rate: empty / challenger_sessions; NaN without sessions.
        latency_p95_ms: As given.
        metrics: The secondary and guardrail metrics.
    """

    kind: DecisionKind
    reasons: tuple[Reason, ...]
    advance_step: bool
    effect: Effect | None
    ci: Interval
    rel_ci: Interval
    pvalue: float
    chance_to_win: float
    expected_loss: float
    srm_pvalue: float
    error_rate: float
    empty_rate: float
    latency_p95_ms: float
    metrics: tuple[MetricLook, ...] = ()


def decide(spec: ExperimentSpec, look: LookData) -> Decision:
    """Decide one look of a rollout.

    In this order, the first that applies:

    1. the sequential sample-ratio p-value is below guardrails.srm_alpha: ``invalid``;
    2. a guardrail is broken (``broken_guardrails``): ``rollback``;
    3. with min_challenger_sessions, a guardrail metric is shown to lose more than its margin: ``rollback``;
    4. the interval of the primary effect lies below 0, with as many: ``rollback``, in any step;
    5. it lies above 0, with as many, in the last step, it would though each of the control's failed sessions had been
       clicked, and every guardrail metric that has a margin is shown to keep it: ``promote``;
    6. the last step has had its sessions: ``keep``;
    7. otherwise ``continue``, with ``advance_step`` where the step has had its sessions.

    The interval is the asymptotic confidence sequence of ``spec.analysis`` at the effective number of sessions: taking
    more looks does not raise its error, and of a challenger that changes nothing about alpha / 2 at most are promoted.

    The condition on failed sessions is there because a control that was down flatters the challenger: what its users
    were shown instead says nothing of its model. Nobody knows what they would have clicked, so the worst case is taken
    (the bound of Manski, 1990, for outcomes that are missing): leaving these sessions out would compare users of
    different hours, and their counterparts in the other arm are unknown. It is conservative, exact where nothing
    failed, and for promotion alone: for a rollback the failures only make the evidence weaker.

    Args:
        spec: The experiment.
        look: What has been seen.

    Raises:
        DataError: The two arms' moments do not have as many strata as each other.
    """
    analysis, guardrails = spec.analysis, spec.metrics.guardrails
    n_star, alpha = analysis.n_star, analysis.alpha
    effect = stratified_effect(look.challenger, look.control)
    n = effect.n_effective
    ci = confidence_sequence(effect.effect_size, effect.se, n, n_star, alpha)
    posterior = gaussian_posterior(effect.effect_size, effect.se, alpha)
    srm = sequential_srm((look.challenger_units, look.control_units), SRM_WEIGHTS)
    others = metric_looks(spec, look.metrics)
    kind: DecisionKind = "invalid"
    reasons: tuple[Reason, ...] = ("srm",)
    if not srm.pvalue < guardrails.srm_alpha:
        kind, reasons = _judge(spec, look, ci, others)
    return Decision(
        kind=kind,
        reasons=reasons,
        advance_step=kind == "continue" and _step_complete(spec, look),
        effect=effect,
        ci=ci,
        rel_ci=confidence_sequence(effect.rel_effect_size, effect.rel_se, n, n_star, alpha),
        pvalue=always_valid_pvalue(effect.effect_size, effect.se, n, n_star, alpha),
        chance_to_win=posterior.chance_to_win,
        expected_loss=posterior.expected_loss,
        srm_pvalue=srm.pvalue,
        error_rate=_rate(look.errors, look.challenger_sessions),
        empty_rate=_rate(look.empty, look.challenger_sessions),
        latency_p95_ms=look.latency_p95_ms,
        metrics=others,
    )


def decide_watch(
    spec: ExperimentSpec, challenger_sessions: int, errors: int, empty: int, latency_p95_ms: float
) -> Decision:
    """Decide the watch at 100 %: the promotion stands (``promote``) or a guardrail is broken (``rollback``).

    There is no control at 100 %, so guardrails are all that can be judged. Counts are those of the watch alone.

    Args:
        spec: The experiment.
        challenger_sessions: Sessions of the watch, failed ones included.
        errors: Of these, sessions its server failed in or answered too late.
        empty: Of these, sessions its server answered with an empty list; failed ones are errors only.
        latency_p95_ms: 95th percentile of its answers; NaN where none is known.
    """
    broken = broken_guardrails(
        spec.metrics.guardrails,
        spec.stopping.min_challenger_sessions,
        challenger_sessions,
        errors,
        empty,
        latency_p95_ms,
    )
    return Decision(
        kind="rollback" if broken else "promote",
        reasons=broken or ("guardrails_held",),
        advance_step=False,
        effect=None,
        ci=Interval(math.nan, math.nan),
        rel_ci=Interval(math.nan, math.nan),
        pvalue=math.nan,
        chance_to_win=math.nan,
        expected_loss=math.nan,
        srm_pvalue=math.nan,
        error_rate=_rate(errors, challenger_sessions),
        empty_rate=_rate(empty, challenger_sessions),
        latency_p95_ms=latency_p95_ms,
    )


def look_result(
    decision: Decision, *, number: int, step_percent: int, sessions: int, challenger_sessions: int
) -> LookResult:
    """A decided look as report, JSON and MLflow show it.

    Args:
        decision: Of ``decide``, or of ``decide_watch``: means and effects are then NaN, the control has no session.
        number: 1-based number of the look.
        step_percent: Per cent of units the challenger had; 100 in the watch.
        sessions: Sessions so far, all variants counted.
        challenger_sessions: The challenger's sessions so far.
    """
    effect = decision.effect
    return LookResult(
        look=number,
        step_percent=step_percent,
        sessions=sessions,
        challenger_sessions=challenger_sessions,
        control_sessions=0 if effect is None else int(effect.control_sessions.sum()),
        challenger_mean=math.nan if effect is None else effect.challenger_mean,
        control_mean=math.nan if effect is None else effect.control_mean,
        effect_size=math.nan if effect is None else effect.effect_size,
        ci_lower=decision.ci.lower,
        ci_upper=decision.ci.upper,
        rel_effect_size=math.nan if effect is None else effect.rel_effect_size,
        rel_ci_lower=decision.rel_ci.lower,
        rel_ci_upper=decision.rel_ci.upper,
        pvalue=decision.pvalue,
        chance_to_win=decision.chance_to_win,
        expected_loss=decision.expected_loss,
        srm_pvalue=decision.srm_pvalue,
        error_rate=decision.error_rate,
        empty_rate=decision.empty_rate,
        latency_p95_ms=decision.latency_p95_ms,
        decision=decision.kind,
        reasons=decision.reasons,
        metrics=decision.metrics,
    )


def _judge(
    spec: ExperimentSpec, look: LookData, ci: Interval, others: Sequence[MetricLook]
) -> tuple[DecisionKind, tuple[Reason, ...]]:
    """Rules 2 to 7 of ``decide``."""
    needed = spec.stopping.min_challenger_sessions
    broken = broken_guardrails(
        spec.metrics.guardrails, needed, look.challenger_sessions, look.errors, look.empty, look.latency_p95_ms
    )
    if broken:
        return "rollback", broken
    enough = look.challenger_sessions >= needed
    last_step = look.step_index == len(spec.rollout.steps) - 1
    complete = last_step and _step_complete(spec, look)
    if enough and harmed(others):
        return "rollback", ("guardrail_worse",)
    if enough and ci.upper < 0:
        return "rollback", ("primary_worse",)
    better = enough and last_step and ci.lower > 0
    if better and not ci.lower > _flattery(look):
        return ("keep", ("control_failed",)) if complete else ("continue", ("control_failing",))
    if better and not unproven(others):
        return "promote", ("primary_better",)
    if complete:
        return "keep", ("guardrail_unproven" if better else "no_boundary_crossed",)
    if better:
        return "continue", ("guardrail_undecided",)
    if not enough:
        return "continue", ("too_few_sessions",)
    if math.isnan(ci.lower):
        return "continue", ("effect_undefined",)
    return "continue", ("better_before_last_step" if ci.lower > 0 else "undecided",)


def _flattery(look: LookData) -> float:
    """By how much the control's rate could be too low at the most: its failed sessions' share, had all been clicked."""
    return look.control_errors / float(look.control.sessions.sum()) if look.control_errors else 0.0


def _step_complete(spec: ExperimentSpec, look: LookData) -> bool:
    """Whether the look's step has had all its sessions."""
    return look.sessions >= sum(step.sessions for step in spec.rollout.steps[: look.step_index + 1])


def _rate(count: int, sessions: int) -> float:
    return count / sessions if sessions else math.nan
