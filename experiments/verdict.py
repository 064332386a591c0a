"""What an analysis comes to, in the vocabulary of decisions, with reasons."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from experiments.analysis import Analysis, Finding
from experiments.bayes.bayesian_stopping import stop_by_loss
from experiments.result import DecisionKind

#: Most important first; the decision each stands for is in ``VERDICT_REASONS``.
VerdictReason = Literal[
    "srm",
    "guardrail_worse",
    "guardrail_open",
    "guardrail_unproven",
    "primary_worse",
    "primary_better",
    "loss_small",
    "control_loss_small",
    "primary_undefined",
    "no_difference_shown",
    "undecided",
    "too_few_units",
]

VERDICT_REASONS: dict[VerdictReason, DecisionKind] = {
    # Units did not split as they were meant to: assignment or logging is broken, nothing can be concluded.
    "srm": "invalid",
    # Another metric that must not get worse did, and the primary one shows no reason to bear it.
    "guardrail_worse": "rollback",
    # The primary metric is better, but a guardrail is not shown to lose no more than its margin: more may be looked at.
    "guardrail_open": "continue",
    # The same, and the last look is over.
    "guardrail_unproven": "keep",
    # The primary metric is worse with every variant.
    "primary_worse": "rollback",
    # It is better with one of them.
    "primary_better": "promote",
    # Bayesian: choosing the variant loses less, on average, than one cares about.
    "loss_small": "promote",
    # Bayesian: keeping the control loses less than that.
    "control_loss_small": "keep",
    # There is no figure to decide by, in any variant.
    "primary_undefined": "invalid",
    # The last look is over and 0 is still inside the interval.
    "no_difference_shown": "keep",
    # More may be looked at: 0 is still inside the interval, or the loss still too large.
    "undecided": "continue",
    # The arms are too small to be read.
    "too_few_units": "continue",
}
"""Every reason and the decision it stands for."""

#: Statuses that more units may mend.
_TOO_FEW = ("burn_in", "too_few_units", "no_units", "no_variance")


class Verdict(NamedTuple):
    """What to do.

    Attributes:
        kind: ``continue``, ``promote``, ``rollback``, ``keep`` or ``invalid``.
        reason: Code of ``VERDICT_REASONS``.
        variant: What to promote, or what is worse; empty where it is about all of them.
        finding: The figures it rests on; None where it rests on none.
    """

    kind: DecisionKind
    reason: VerdictReason
    variant: str
    finding: Finding | None


def verdict(analysis: Analysis, guardrails: frozenset[str] = frozenset()) -> Verdict:
    """Decide from what was found, by the first of these that applies.

    1. the sample ratio alarms: ``invalid``;
    2. the primary metric has no figure in any variant: ``continue`` where more units may mend it, else ``invalid``;
    3. a variant is better in the primary metric, and its guardrails hold: ``promote`` the best such;
    4. one is better whose guardrails are not worse, but not shown to hold either: ``continue``, or ``keep`` where the
       plan has no further look;
    5. a guardrail of a variant that is better is worse, or of every variant: ``rollback``;
    6. every variant is worse in the primary metric: ``rollback``;
    7. otherwise ``keep`` where the plan has no further look, ``continue`` where it has.

    Better and worse mean that the corrected p-value is below alpha. A guardrail with a margin is worse where more than
    that is shown to be lost, and holds where less is; one without holds unless it is worse. With ``bayesian`` it is
    the expected loss that decides (``experiments.bayes.bayesian_stopping``).

    Args:
        analysis: What was found.
        guardrails: Names of metrics that must not get worse.
    """
    if analysis.srm_alarm:
        return _of("srm")
    primary = analysis.primary
    known = [finding for finding in primary if not math.isnan(finding.comparison.pvalue)]
    if not known:
        mendable = any(finding.comparison.status in _TOO_FEW for finding in primary)
        return _of("too_few_units" if mendable and _may_look_again(analysis) else "primary_undefined")
    harmed = {
        finding.variant: finding
        for finding in analysis.findings
        if finding.metric.name in guardrails and _harms(analysis, finding)
    }
    unproven = {
        finding.variant: finding
        for finding in analysis.findings
        if finding.safety is not None and finding.safety.verdict == "inconclusive"
    }
    if analysis.plan.method == "bayesian":
        return _by_loss(analysis, known, harmed, unproven)
    winners = [finding for finding in known if _shown(analysis, finding) and finding.better]
    sound = [finding for finding in winners if finding.variant not in harmed]
    proven = [finding for finding in sound if finding.variant not in unproven]
    if proven:
        return _of("primary_better", max(proven, key=_gain))
    if sound:
        return _unproven(analysis, unproven[max(sound, key=_gain).variant])
    # No winner is sound, so each of them is harmed.
    if winners or all(finding.variant in harmed for finding in known):
        return _of("guardrail_worse", harmed[(winners or known)[0].variant])
    losers = [finding for finding in known if _shown(analysis, finding) and not finding.better]
    if len(losers) == len(known):
        return _of("primary_worse", losers[0])
    best = max(known, key=_gain)
    return _of("undecided" if _may_look_again(analysis) else "no_difference_shown", best)


def _by_loss(
    analysis: Analysis, known: list[Finding], harmed: dict[str, Finding], unproven: dict[str, Finding]
) -> Verdict:
    """By the variant that is most likely to win, of those whose guardrails hold if there are any."""
    sound = [finding for finding in known if finding.variant not in harmed]
    best = max(sound or known, key=_chance)
    stop = stop_by_loss(
        best.bayesian,
        threshold_of_caring=analysis.plan.loss_threshold * _unit_of_lift(best),
        n=min(best.comparison.treatment_n, best.comparison.control_n),
        min_n=max(analysis.plan.burn_in, 2),
    )
    if stop.choice == "control":
        return _of("control_loss_small", best)
    if not sound:
        return _of("guardrail_worse", harmed[best.variant])
    if stop.choice == "treatment":
        return _unproven(analysis, unproven[best.variant]) if best.variant in unproven else _of("loss_small", best)
    if not _may_look_again(analysis):
        return _of("no_difference_shown", best)
    return _of("too_few_units" if stop.reason == "too_few_units" else "undecided", best)


def _unit_of_lift(finding: Finding) -> float:
    """What a share is a share of: 1 where the lift is relative, else the size of the control, or of the treatment."""
    if finding.bayesian.kind == "relative":
        return 1.0
    compared = finding.comparison
    size = compared.control_value if compared.status == "negative_baseline" else compared.treatment_value
    # Where both are 0 a share of anything is nothing; the error is what is left to compare a loss with.
    return abs(size) or compared.se


def _unproven(analysis: Analysis, guardrail: Finding) -> Verdict:
    return _of("guardrail_open" if _may_look_again(analysis) else "guardrail_unproven", guardrail)


def _harms(analysis: Analysis, guardrail: Finding) -> bool:
    if guardrail.safety is not None:
        return guardrail.safety.verdict == "inferior"
    return _shown(analysis, guardrail) and not guardrail.better


def _shown(analysis: Analysis, finding: Finding) -> bool:
    return finding.pvalue_adjusted < analysis.plan.alpha


def _gain(finding: Finding) -> float:
    effect = finding.comparison.effect_size
    return -effect if finding.metric.lower_is_better else effect


def _chance(finding: Finding) -> float:
    chance = finding.bayesian.chance_to_win
    return -1.0 if math.isnan(chance) else chance


def _may_look_again(analysis: Analysis) -> bool:
    plan = analysis.plan
    return not plan.last_look and (
        plan.method in ("sequential", "bayesian") or (plan.method == "group" and plan.look < plan.looks)
    )


def _of(reason: VerdictReason, finding: Finding | None = None) -> Verdict:
    return Verdict(VERDICT_REASONS[reason], reason, "" if finding is None else finding.variant, finding)
