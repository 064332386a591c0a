"""The rollout's other metrics at one look: secondary ones are told, guardrails may end it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from experiments.bayes.bayesian import gaussian_posterior
from experiments.inference.clusters import ClusterMoments
from experiments.inference.multiplicity import corrected
from experiments.inference.stratified import stratified_effect
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence
from experiments.result import MetricLook
from experiments.spec import ExperimentSpec
from experiments.spec_metrics import EventMetric, GuardrailMetric


class MetricArms(NamedTuple):
    """One metric as both arms have it, over the same strata."""

    challenger: ClusterMoments
    control: ClusterMoments


def metric_looks(spec: ExperimentSpec, arms: Mapping[str, MetricArms]) -> tuple[MetricLook, ...]:
    """Effects of the secondary metrics and the guardrails, by the primary metric's confidence sequence.

    Guardrails are each read at alpha, uncorrected: a correction would only make harm easier to miss. The secondary
    metrics' p-values are corrected for one another by ``spec.analysis.correction``; they decide nothing.

    Args:
        spec: The experiment.
        arms: By metric name; a metric that is not in it is left out.

    Raises:
        DataError: Two arms do not have as many strata as each other.
    """
    found = [
        _look(spec, metric, arms[metric.name])
        for metric in (*spec.metrics.secondary, *spec.metrics.guardrails.metrics)
        if metric.name in arms
    ]
    secondary = [look.pvalue for look in found if look.role == "secondary"]
    adjusted = iter(corrected(secondary, spec.analysis.correction).tolist())
    return tuple(replace(look, pvalue_adjusted=next(adjusted)) if look.role == "secondary" else look for look in found)


def harmed(looks: Sequence[MetricLook]) -> tuple[str, ...]:
    """Names of the guardrails that are shown to be worse by more than their margin."""
    return tuple(look.name for look in looks if look.role == "guardrail" and _loss(look).lower > look.margin)


def unproven(looks: Sequence[MetricLook]) -> tuple[str, ...]:
    """Names of the guardrails with a margin that are not yet shown to be no worse than that.

    One without a margin cannot be: that nothing at all is lost is never shown, only harm is.
    """
    guarded = [look for look in looks if look.role == "guardrail" and look.margin > 0]
    return tuple(look.name for look in guarded if not _loss(look).upper < look.margin)


class _Loss(NamedTuple):
    """Always-valid interval of what is lost, positive where it is worse."""

    lower: float
    upper: float


def _loss(look: MetricLook) -> _Loss:
    """As a share of the control's value; without a margin absolute, which needs no value to be a share of."""
    lower, upper = (look.rel_ci_lower, look.rel_ci_upper) if look.margin else (look.ci_lower, look.ci_upper)
    return _Loss(lower, upper) if look.lower_is_better else _Loss(-upper, -lower)


def _look(spec: ExperimentSpec, metric: EventMetric, arms: MetricArms) -> MetricLook:
    n_star, alpha = spec.analysis.n_star, spec.analysis.alpha
    effect = stratified_effect(arms.challenger, arms.control)
    ci = confidence_sequence(effect.effect_size, effect.se, effect.n_effective, n_star, alpha)
    rel_ci = confidence_sequence(effect.rel_effect_size, effect.rel_se, effect.n_effective, n_star, alpha)
    chance = gaussian_posterior(effect.effect_size, effect.se, alpha).chance_to_win
    return MetricLook(
        name=metric.name,
        role="guardrail" if isinstance(metric, GuardrailMetric) else "secondary",
        margin=metric.margin if isinstance(metric, GuardrailMetric) else 0.0,
        lower_is_better=metric.lower_is_better,
        challenger_mean=effect.challenger_mean,
        control_mean=effect.control_mean,
        effect_size=effect.effect_size,
        ci_lower=ci.lower,
        ci_upper=ci.upper,
        rel_effect_size=effect.rel_effect_size,
        rel_ci_lower=rel_ci.lower,
        rel_ci_upper=rel_ci.upper,
        pvalue=always_valid_pvalue(effect.effect_size, effect.se, effect.n_effective, n_star, alpha),
        pvalue_adjusted=math.nan,
        chance_to_win=1 - chance if metric.lower_is_better else chance,
    )
