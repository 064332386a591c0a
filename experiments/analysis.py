"""An experiment analysed from sufficient statistics: every metric of every variant against the control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from core.errors import ConfigError, DataError
from experiments.bayes.bayesian_lift import FLAT, BayesianComparison, NormalPrior, bayesian_comparison
from experiments.inference.comparison import Comparison, check_alpha
from experiments.inference.estimates import Estimate
from experiments.inference.fixed_tests import NOBODY, ChosenTest, EffectKind, Sample, check_test, fixed_comparison
from experiments.inference.frequentist import welch
from experiments.inference.multiplicity import Correction, check_correction, corrected
from experiments.inference.non_inferiority import NonInferiority, non_inferiority, non_inferiority_of_comparison
from experiments.inference.srm import SampleRatio, fixed_srm, sequential_srm
from experiments.looks.confidence_sequences import BURN_IN, sequential_comparison
from experiments.looks.group_inference import group_comparison
from experiments.metrics import Metric

#: ``fixed``: one look, planned beforehand; ``sequential``: any number of looks; ``group``: a planned number of them;
#: ``bayesian``: decided by chance to win and expected loss.
Method = Literal["fixed", "sequential", "group", "bayesian"]
METHODS: tuple[Method, ...] = get_args(Method)
#: Units of both arms at which a confidence sequence is tightest where nobody planned for another number.
N_STAR = 5_000
#: Share of the baseline that nobody minds losing where nobody said another.
LOSS_THRESHOLD = 0.001


@dataclass(frozen=True)
class AnalysisPlan:
    """What was decided before the data were seen.

    Attributes:
        control: The variant that the others are compared with.
        method: Of ``METHODS``.
        alpha: Two-sided error of each comparison; of ``correction``, over all of them.
        correction: For several metrics and variants.
        n_star: For ``sequential``: units of both arms at which the sequence is tightest.
        burn_in: For ``sequential``: units an arm needs before it is read.
        looks: For ``group``: planned number of looks, at equal shares of the units.
        look: For ``group``: which of them this is, from 1.
        prior: For the Bayesian reading, on the relative lift; of a baseline below 0, on the share of its size.
        loss_threshold: For ``bayesian``: share of the baseline's size that one does not mind losing, on average; of the
            treatment's, where the baseline is 0.
        weights: Variant to its intended share of the units, on any scale; empty: equal shares.
        srm_alpha: Sample ratios with a p-value below it are an alarm.
        last_look: The experiment is over: ``sequential`` and ``bayesian`` may not look again either.
    """

    control: str
    method: Method = "fixed"
    alpha: float = 0.05
    correction: Correction = "holm"
    n_star: float = N_STAR
    burn_in: int = BURN_IN
    looks: int = 1
    look: int = 1
    prior: NormalPrior = FLAT
    loss_threshold: float = LOSS_THRESHOLD
    weights: Mapping[str, float] | None = None
    srm_alpha: float = 0.001
    last_look: bool = False

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_alpha(self.srm_alpha)
        if self.method not in METHODS:
            raise ConfigError(f"method == {self.method!r}, must be one of {', '.join(METHODS)}")
        check_correction(self.correction)
        if not 0 < self.loss_threshold < math.inf:
            raise ConfigError(f"loss_threshold == {self.loss_threshold}, must be above 0 and finite")
        if not 1 <= self.look <= self.looks:
            raise ConfigError(f"look == {self.look} of looks == {self.looks}; must be 1 … looks")


class MetricArms(NamedTuple):
    """One metric as every variant has it.

    Attributes:
        metric: Which.
        estimates: Variant to its value.
        adjusted: Treatment variant to (treatment, control) estimates with the covariate's share taken out; empty
            where there is no covariate.
        variance_reduction: Treatment variant to the share of variance that this took away, 0 … 1.
        test: For ``fixed``, which; else ``auto``.
        samples: Variant to what the test needs beyond estimates; None where it needs nothing.
        guardrail: Must not get worse: under ``bayesian`` it is watched by a test that holds at every look.
        margin: Of a guardrail, share of the control's value that may be lost; None: it must only not be shown worse.
    """

    metric: Metric
    estimates: Mapping[str, Estimate]
    adjusted: Mapping[str, tuple[Estimate, Estimate]]
    variance_reduction: Mapping[str, float]
    test: ChosenTest = ChosenTest()
    samples: Mapping[str, Sample] | None = None
    guardrail: bool = False
    margin: float | None = None

    def pair(self, variant: str, control: str) -> tuple[Estimate, Estimate]:
        """The (treatment, control) estimates to compare."""
        return self.adjusted.get(variant) or (self.estimates[variant], self.estimates[control])


class Finding(NamedTuple):
    """One metric of one variant against the control.

    Attributes:
        metric: Which.
        variant: Which.
        control: The control's name.
        comparison: By the plan's method; for ``bayesian`` by Welch's test, which then only stands beside, or for a
            guardrail by the sequential one, which may be looked at again.
        pvalue_adjusted: Corrected for all comparisons of the analysis; NaN where there was no test.
        bayesian: Posterior of the relative lift, or of the absolute one where the baseline is not above 0.
        variance_reduction: Share of the variance that covariates or strata took away; NaN without any.
        test: What made the comparison: a test's name, ``sequential`` or ``group``.
        effect_kind: What its effect is.
        safety: Of a guardrail with a margin: whether no more than that is lost; None of anything else.
    """

    metric: Metric
    variant: str
    control: str
    comparison: Comparison
    pvalue_adjusted: float
    bayesian: BayesianComparison
    variance_reduction: float
    test: str = "welch"
    effect_kind: EffectKind = "difference"
    safety: NonInferiority | None = None

    @property
    def better(self) -> bool:
        """Whether the effect goes the way that is wanted."""
        effect = self.comparison.effect_size - (0.5 if self.effect_kind == "probability_of_superiority" else 0.0)
        return effect < 0 if self.metric.lower_is_better else effect > 0


@dataclass(frozen=True)
class Analysis:
    """All that was found.

    Attributes:
        plan: What was decided beforehand.
        findings: Metric by metric, in the order given; the first metric is the primary one.
        srm: Sample ratio test over all variants with weight.
        srm_alarm: The split is not what was intended: nothing can be concluded.
        units: Variant to its units.
    """

    plan: AnalysisPlan
    findings: tuple[Finding, ...]
    srm: SampleRatio
    srm_alarm: bool
    units: Mapping[str, int]

    @property
    def primary(self) -> tuple[Finding, ...]:
        """The first metric's findings."""
        return tuple(finding for finding in self.findings if finding.metric == self.findings[0].metric)


def analyse(plan: AnalysisPlan, units: Mapping[str, int], metrics: Sequence[MetricArms]) -> Analysis:
    """Compare every variant with the control.

    Args:
        plan: What was decided beforehand.
        units: Variant to all its units, those that lack a metric included.
        metrics: The first is the primary one.

    Raises:
        DataError: The control has no units, there is no other variant, or weights name other variants.
        ConfigError: The plan's figures are not allowed, or a test is not of its metric, method or adjustment.
    """
    for arms in metrics:
        _check_test(plan, arms)
    treatments = _treatments(plan, units)
    findings = [
        _finding(plan, arms, variant) for arms in metrics for variant in treatments if variant in arms.estimates
    ]
    pvalues = [finding.comparison.pvalue for finding in findings]
    adjusted = corrected(pvalues, plan.correction)
    srm = sample_ratio(plan, units)
    return Analysis(
        plan=plan,
        findings=tuple(
            finding._replace(pvalue_adjusted=float(pvalue)) for finding, pvalue in zip(findings, adjusted, strict=True)
        ),
        srm=srm,
        srm_alarm=srm.status == "stray_units" or srm.pvalue < plan.srm_alpha,
        units=dict(units),
    )


def sample_ratio(plan: AnalysisPlan, units: Mapping[str, int]) -> SampleRatio:
    """The sample ratio test that belongs to the plan: one that may be read at every look unless there is one only.

    Raises:
        DataError: Weights do not name the variants found.
    """
    weights = plan.weights or dict.fromkeys(units, 1.0)
    strangers = sorted(units.keys() - weights.keys())
    if strangers:
        raise DataError(
            f"units of variant {strangers[0]!r} were found, which weights do not name: {', '.join(weights)}; give it a "
            "weight, 0 if nobody should have had it"
        )
    counts = [units.get(variant, 0) for variant in weights]
    test = fixed_srm if plan.method == "fixed" else sequential_srm
    return test(counts, list(weights.values()))


def compared(plan: AnalysisPlan, treatment: Estimate, control: Estimate) -> Comparison:
    """Two estimates by the plan's method."""
    if plan.method == "sequential":
        return sequential_comparison(treatment, control, n_star=plan.n_star, alpha=plan.alpha, burn_in=plan.burn_in)
    if plan.method == "group":
        fractions = [look / plan.looks for look in range(1, plan.look + 1)]
        last = plan.look == plan.looks
        return group_comparison(treatment, control, fractions=fractions, alpha=plan.alpha, last=last)
    return welch(treatment, control, alpha=plan.alpha)


def compared_arms(plan: AnalysisPlan, arms: MetricArms, variant: str) -> Comparison:
    """One variant against the control in one metric, by the plan's method and the metric's test."""
    treatment, control = arms.pair(variant, plan.control)
    if _watched(plan, arms):
        return sequential_comparison(treatment, control, n_star=plan.n_star, alpha=plan.alpha, burn_in=plan.burn_in)
    if arms.test.test == "auto":
        return compared(plan, treatment, control)
    nobody = Sample(treatment) if arms.samples is None else NOBODY
    one, two = ((arms.samples or {}).get(name, nobody) for name in (variant, plan.control))
    return fixed_comparison(
        one._replace(estimate=treatment),
        two._replace(estimate=control),
        arms.test,
        is_ratio=arms.metric.kind == "ratio",
        alpha=plan.alpha,
    )


def _watched(plan: AnalysisPlan, arms: MetricArms) -> bool:
    """Whether it is a guardrail that would be looked at again and again by a test for one look."""
    return plan.method == "bayesian" and arms.guardrail


def _test_name(plan: AnalysisPlan, arms: MetricArms) -> str:
    if _watched(plan, arms) or plan.method == "sequential":
        return "sequential"
    if plan.method == "group":
        return "group"
    return "welch" if arms.test.test == "auto" else arms.test.test


def _check_test(plan: AnalysisPlan, arms: MetricArms) -> None:
    test = arms.test.test
    if test != "auto" and plan.method != "fixed":
        raise ConfigError(
            f"test == {test!r} is for one look, method {plan.method!r} brings its own; take method 'fixed', or 'auto'"
        )
    check_test(arms.metric, arms.test)
    if arms.adjusted and not arms.test.adjustable:
        raise ConfigError(
            f"test == {test!r} takes no covariate and no strata; take 'welch' or 'z', or leave --covariate and "
            "--stratify out"
        )


def _treatments(plan: AnalysisPlan, units: Mapping[str, int]) -> list[str]:
    if not units.get(plan.control):
        raise DataError(
            f"no unit has the control {plan.control!r}; variants found: {', '.join(sorted(units)) or 'none'}"
        )
    treatments = sorted(variant for variant, count in units.items() if variant != plan.control and count)
    if not treatments:
        raise DataError(f"every unit has the control {plan.control!r}; there is nothing to compare it with")
    return treatments


def _finding(plan: AnalysisPlan, arms: MetricArms, variant: str) -> Finding:
    treatment, control = arms.pair(variant, plan.control)
    lift = bayesian_comparison(
        treatment,
        control,
        prior=plan.prior,
        alpha=plan.alpha,
        lower_is_better=arms.metric.lower_is_better,
    )
    if lift.status in ("zero_baseline", "negative_baseline"):
        # No share of nothing is believed beforehand.
        prior = plan.prior.scaled(abs(control.value)) if lift.status == "negative_baseline" else FLAT
        lift = bayesian_comparison(
            treatment,
            control,
            prior=prior,
            difference="absolute",
            alpha=plan.alpha,
            lower_is_better=arms.metric.lower_is_better,
        )
    comparison = compared_arms(plan, arms, variant)
    return Finding(
        metric=arms.metric,
        variant=variant,
        control=plan.control,
        comparison=comparison,
        pvalue_adjusted=math.nan,
        bayesian=lift,
        variance_reduction=arms.variance_reduction.get(variant, math.nan),
        test=_test_name(plan, arms),
        effect_kind=arms.test.effect_kind,
        safety=_safety(plan, arms, variant, comparison),
    )


def _safety(plan: AnalysisPlan, arms: MetricArms, variant: str, comparison: Comparison) -> NonInferiority | None:
    """Whether a guardrail's margin holds: by one look, or by an interval that may be looked at again."""
    if arms.margin is None:
        return None
    falls = arms.metric.lower_is_better
    if plan.method == "fixed":
        # One-sided at half of alpha: the bound is an end of the two-sided interval.
        pair = arms.pair(variant, plan.control)
        return non_inferiority(*pair, arms.margin, relative=True, lower_is_better=falls, alpha=plan.alpha / 2)
    return non_inferiority_of_comparison(comparison, arms.margin, lower_is_better=falls)
