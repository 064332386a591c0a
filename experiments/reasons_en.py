"""The English words of each reason: what to say in passing, and in full."""

from __future__ import annotations

REASONS = {
    "srm": (
        "visitors did not split as planned",
        "Challenger and control should have had equally many visitors and had not (sequential sample-ratio p-value "
        "{srm_pvalue}, limit {srm_alpha}). Assignment or logging is at fault; the figures must not be used.",
    ),
    "error_rate": (
        "too many failed answers",
        "The challenger's server failed, or answered too late, in {error_rate} of its sessions; at most "
        "{max_error_rate} are allowed.",
    ),
    "empty_rate": (
        "too many empty lists",
        "The challenger answered with an empty list in {empty_rate} of its sessions; at most {max_empty_rate} are "
        "allowed.",
    ),
    "latency": (
        "answers too slow",
        "One in twenty of the challenger's answers took {latency} or longer; the budget for it is {latency_budget}.",
    ),
    "guardrail_worse": (
        "a guardrail metric got worse",
        "Worse with the challenger than is allowed: {worse_metrics}. The whole always-valid interval lies beyond what "
        "may be lost.",
    ),
    "primary_worse": (
        "clicked less often",
        "Visitors clicked less often with the challenger: the whole always-valid interval lies below zero. Harm is "
        "not allowed to wait for the last step.",
    ),
    "primary_better": (
        "clicked more often",
        "Visitors clicked more often with the challenger: in the last step the whole always-valid interval lies "
        "above zero.",
    ),
    "guardrail_unproven": (
        "a guardrail metric was not shown to hold",
        "The planned sessions were used up and did not show that no more is lost than is allowed of: "
        "{unproven_metrics}. In doubt the champion stays.",
    ),
    "control_failed": (
        "the control's server failed too often",
        "The challenger was ahead, but the control's server failed, or answered too late, in so many sessions that the "
        "lesser lists shown instead may be the reason: had each of these sessions been clicked, the interval would not "
        "lie above zero. In doubt the champion stays.",
    ),
    "no_boundary_crossed": (
        "planned sessions used up",
        "The planned sessions were used up and neither boundary was crossed: what was seen does not show that the "
        "models differ. In doubt the champion stays.",
    ),
    "guardrails_held": (
        "guardrails held at 100 %",
        "While the challenger served all traffic, failed answers, empty lists and answer times stayed within their "
        "limits.",
    ),
    "too_few_sessions": (
        "too few sessions yet",
        "The challenger has had fewer than {min_sessions} sessions, too few to judge it by.",
    ),
    "effect_undefined": (
        "no interval yet",
        "There is no interval yet: an arm has too few visitors, or nobody has clicked.",
    ),
    "better_before_last_step": (
        "ahead, not the last step",
        "The challenger is ahead, but promotion is decided in the last step only.",
    ),
    "guardrail_undecided": (
        "ahead, a guardrail metric is open",
        "The challenger is ahead, but it is not yet shown that no more is lost than is allowed of: {unproven_metrics}.",
    ),
    "control_failing": (
        "ahead, the control's server failed too often",
        "The challenger is ahead, but the control's server failed, or answered too late, in so many sessions that the "
        "lesser lists shown instead may be the reason. It is not promoted on that.",
    ),
    "undecided": (
        "cannot be told apart yet",
        "Zero is still inside the interval: the models cannot be told apart yet.",
    ),
}
