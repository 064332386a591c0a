"""From a file of anyone's experiment to an analysis: what is asked, what is read, what is left out, what is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from events.quantile_aggregate import counted_values, rows_below
from events.unit_aggregate import ROWS, ArmCell, ExperimentTable, UnitNumber, arm_cells, rows_without_unit
from experiments.analysis import Analysis, AnalysisPlan, Finding, MetricArms, analyse
from experiments.figures import Language, count
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.inference.quantiles import clustered_quantile_estimate
from experiments.inference.segments import SegmentReport, compare_segments
from experiments.inference.status_words import ADJUSTMENT_WORDS, status_sentence
from experiments.inference.value_counts import ValueCounts
from experiments.json_document import json_document
from experiments.metrics import Metric, MetricKind, parse_metric
from experiments.verdict import Verdict, verdict
from experiments.verdict_words import verdict_sentence
from loaders.experiment_file import open_experiment

_REASONS: dict[str, dict[Language, str]] = {
    "two_variants": {
        "en": "{units} units have rows in two variants; they are left out of every arm.",
        "ko": "대상 {units}개는 두 변형안에 모두 기록되어 모든 비교에서 제외했습니다.",
    },
    "no_variant": {
        "en": "{units} units have no variant; they are left out.",
        "ko": "대상 {units}개는 변형안이 기록되지 않아 제외했습니다.",
    },
    "no_unit": {
        "en": "{units} rows name no unit; they are left out.",
        "ko": "행 {units}개는 대상이 기록되지 않아 제외했습니다.",
    },
    "missing_number": {
        "en": (
            "{units} units of {variant} have a row without a finite number in {metric}; they are left out of this "
            "metric. Write 0 in the file if that is what it means."
        ),
        "ko": (
            "변형안({variant})의 대상 {units}개는 지표({metric})에 유한한 수가 없는 행이 있어 이 지표에서 "
            "제외했습니다. 0을 뜻한다면 파일에 0으로 적으십시오."
        ),
    },
}

#: Beside the notes of ``experiments.inference.adjustment``.
_QUANTILE = "quantile"
_NO_COVARIATE_FOR_QUANTILES: dict[Language, str] = {
    "en": "A quantile takes no covariate; it is compared without.",
    "ko": "분위수에는 공변량을 쓸 수 없어 공변량 없이 비교했습니다.",
}


@dataclass(frozen=True)
class Question:
    """What is asked of a file.

    Attributes:
        unit: Column of what was randomised.
        variant: Column of what it got.
        metrics: As written, the first decides.
        segment: Column to compare within; None: there is none.
        guardrails: As written, of the metrics that must not get worse.
        covariate: As written; empty: none.
        lower_is_better: As written, of the metrics that should fall.
    """

    unit: str
    variant: str
    metrics: tuple[str, ...]
    segment: str | None = None
    guardrails: tuple[str, ...] = ()
    covariate: str = ""
    lower_is_better: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, named in (("lower-is-better", self.lower_is_better), ("guardrail", self.guardrails)):
            for text in named:
                if text not in self.metrics:
                    raise ConfigError(f"{option} names {text!r}, must be one of the metrics: {', '.join(self.metrics)}")
        if len(set(self.metrics)) < len(self.metrics):
            raise ConfigError(f"metrics == {', '.join(self.metrics)}; each must be named once")

    def parsed(self, shares: Iterable[str] = ()) -> list[Metric]:
        """The metrics.

        Args:
            shares: Columns whose metrics are proportions where no kind is written.
        """
        known = frozenset(shares)
        metrics = [self._parsed(text, "proportion" if text in known else "mean") for text in self.metrics]
        names = [metric.name for metric in metrics]
        # Two metrics of one column are told apart as they were written.
        return [
            metric if names.count(metric.name) == 1 else replace(metric, name=text)
            for metric, text in zip(metrics, self.metrics, strict=True)
        ]

    def _parsed(self, text: str, default: MetricKind) -> Metric:
        falls = text in self.lower_is_better
        plain = parse_metric(text, lower_is_better=falls, default=default)
        if not self.covariate or plain.kind == "quantile":
            # A quantile has no covariate: the notes say so.
            return plain
        return parse_metric(text, covariate=self.covariate, lower_is_better=falls, default=default)


@dataclass(frozen=True)
class Excluded:
    """Units, or rows, that are not counted.

    Attributes:
        reason: ``two_variants``, ``no_variant``, ``no_unit`` (rows) or ``missing_number``.
        units: How many.
        variant: Of which; empty where of none.
        metric: Of which; empty where of all.
    """

    reason: str
    units: int
    variant: str = ""
    metric: str = ""


@dataclass(frozen=True)
class SegmentedMetric:
    """One metric of one variant by segment."""

    metric: Metric
    variant: str
    report: SegmentReport


@dataclass(frozen=True)
class Analysed:
    """All that is told.

    Attributes:
        analysis: The figures.
        verdict: What to do.
        excluded: What was not counted.
        segments: By segment; empty where none was asked for.
        notes: Why a covariate was of no use, by metric and variant.
    """

    analysis: Analysis
    verdict: Verdict
    excluded: tuple[Excluded, ...]
    segments: tuple[SegmentedMetric, ...]
    notes: Mapping[tuple[str, str], str]

    def sentence(self, language: Language) -> str:
        """The verdict in words."""
        status = self.analysis.primary[0].comparison.status if self.analysis.findings else "no_units"
        told = "" if status == "ok" else status_sentence(status, language)
        return verdict_sentence(self.analysis, self.verdict, language, told)

    def remarks(self, language: Language) -> list[str]:
        """What was left out, and what cannot be compared."""
        told = [
            _REASONS[one.reason][language].format(units=count(one.units), variant=one.variant, metric=one.metric)
            for one in self.excluded
        ]
        for finding in self.analysis.findings:
            if finding.comparison.status != "ok":
                sentence = status_sentence(finding.comparison.status, language)
                told.append(f"{finding.metric.name}, {finding.variant}: {sentence}")
        for (metric, _), note in self.notes.items():
            words = {**ADJUSTMENT_WORDS[language], _QUANTILE: _NO_COVARIATE_FOR_QUANTILES[language]}
            told.append(f"{metric}: {words[note]}")
        return told


def analysed(path: Path, question: Question, plan: AnalysisPlan) -> Analysed:
    """Read a file and analyse it.

    Raises:
        DataError: The file, a column or a value is not what it should be, or there is nothing to compare.
        ConfigError: A metric or the plan is not allowed.
    """
    needed = {column for metric in question.parsed() for column in metric.columns}
    named = {question.unit, question.variant} | ({question.segment} if question.segment else set())
    texts = (question.variant, *((question.segment,) if question.segment else ()))
    with open_experiment(path, columns=sorted(named | needed), numbers=sorted(needed), texts=texts) as table:
        metrics = question.parsed(name for name in needed if table.schema()[name].is_boolean())
        cells = _cells(table, question, metrics, segment=None)
        nameless = rows_without_unit(table, question.unit)
        whole = _Arms.of(table, question, metrics, cells, segment=None)
        parts = None
        if question.segment is not None:
            divided = _cells(table, question, metrics, segment=question.segment)
            parts = _Arms.of(table, question, metrics, divided, segment=question.segment)
    units = {cell.variant: cell.units for cell in cells if cell.fate == "kept"}
    arms, notes = _metric_arms(metrics, whole, units, plan.control)
    if question.covariate:
        notes |= {(one.name, "*"): _QUANTILE for one in metrics if one.kind == "quantile"}
    analysis = analyse(plan, units, arms)
    guardrails = frozenset(
        metric.name for metric, text in zip(metrics, question.metrics, strict=True) if text in question.guardrails
    )
    return Analysed(
        analysis=analysis,
        verdict=verdict(analysis, guardrails),
        excluded=_excluded(cells, metrics, nameless),
        segments=() if parts is None else _segmented(metrics, parts, analysis, plan),
        notes=notes,
    )


class _Arms:
    """Per metric and arm: moments, or the estimate of a quantile."""

    def __init__(self, found: Mapping[tuple[int, str, str], Moments | Estimate]) -> None:
        self.found = found

    @classmethod
    def of(
        cls, table: Any, question: Question, metrics: Sequence[Metric], cells: Sequence[ArmCell], segment: str | None
    ) -> _Arms:
        found: dict[tuple[int, str, str], Moments | Estimate] = {}
        for place, metric in enumerate(metrics):
            if metric.kind == "quantile":
                for (variant, part), estimate in _quantiles(table, question, metric, segment).items():
                    found[place, variant, part] = estimate
                continue
            for cell in cells:
                if cell.fate == "kept":
                    counted = int(cell.counted[place])
                    moments = Moments(counted, cell.means[place], cell.crosses[place])
                    found[place, cell.variant, cell.segment] = (
                        moments if counted else Moments.empty(len(cell.means[place]))
                    )
        return cls(found)

    def estimate(self, place: int, metric: Metric, variant: str, segment: str = "") -> Estimate:
        """The metric's value, without its covariate."""
        found = self.found.get((place, variant, segment))
        if found is None:
            return Estimate(math.nan, math.nan, 0, "no_units")
        if isinstance(found, Estimate):
            return found
        if metric.kind == "proportion" and found.n:
            return proportion_estimate(found.n, round(float(found.mean[0]) * found.n))
        return ratio_estimate(found) if metric.kind == "ratio" else mean_estimate(found)

    def segments(self) -> list[str]:
        """Their names in order; units that name none are of no segment."""
        return sorted({segment for _, _, segment in self.found if segment})


def _cells(table: Any, question: Question, metrics: Sequence[Metric], segment: str | None) -> list[ArmCell]:
    numbers = [_numbers(metric) for metric in metrics]
    return arm_cells(table, ExperimentTable(question.unit, question.variant, numbers, segment))


def _numbers(metric: Metric) -> list[UnitNumber]:
    """What each unit brings: the metric, then its covariate, which is the same on each of its rows."""
    found = [UnitNumber(metric.column, "any" if metric.kind == "proportion" else "sum")]
    if metric.kind == "ratio":
        found.append(UnitNumber(metric.denominator or ROWS))
    covariates = (metric.covariate, metric.covariate_denominator)
    return found + [UnitNumber(column, "mean") for column in covariates if column is not None]


def _quantiles(table: Any, question: Question, metric: Metric, segment: str | None) -> dict[tuple[str, str], Estimate]:
    columns = {"unit": question.unit, "variant": question.variant, "column": metric.column, "segment": segment}
    counted = counted_values(table, **columns)
    tables = {arm: ValueCounts.from_table(*found) for arm, found in counted.items()}
    thresholds = {arm: found.quantile(metric.level) for arm, found in tables.items()}
    if not thresholds:
        return {}
    below = rows_below(table, thresholds, **columns)
    return {arm: clustered_quantile_estimate(tables[arm], Moments(*below[arm]), metric.level) for arm in tables}


def _metric_arms(
    metrics: Sequence[Metric], arms: _Arms, units: Mapping[str, int], control: str
) -> tuple[list[MetricArms], dict[tuple[str, str], str]]:
    found: list[MetricArms] = []
    notes: dict[tuple[str, str], str] = {}
    for place, metric in enumerate(metrics):
        estimates = {variant: arms.estimate(place, metric, variant) for variant in units}
        adjusted: dict[str, tuple[Estimate, Estimate]] = {}
        reductions: dict[str, float] = {}
        for variant in units:
            pair = arms.found.get((place, variant, "")), arms.found.get((place, control, ""))
            if metric.covariate is None or variant == control or not all(isinstance(one, Moments) for one in pair):
                continue
            cuped = (cuped_ratios if metric.kind == "ratio" else cuped_means)(*pair)  # type: ignore[arg-type]
            if cuped.note == "adjusted":
                adjusted[variant] = cuped.treatment, cuped.control
                reductions[variant] = cuped.variance_reduction
            else:
                notes[metric.name, variant] = cuped.note
        found.append(MetricArms(metric, estimates, adjusted, reductions))
    return found, notes


def _segmented(
    metrics: Sequence[Metric], arms: _Arms, analysis: Analysis, plan: AnalysisPlan
) -> tuple[SegmentedMetric, ...]:
    names = arms.segments()
    variants = list(dict.fromkeys(finding.variant for finding in analysis.findings))
    return tuple(
        SegmentedMetric(
            metric,
            variant,
            compare_segments(
                {name: arms.estimate(place, metric, variant, name) for name in names},
                {name: arms.estimate(place, metric, plan.control, name) for name in names},
                alpha=plan.alpha,
            ),
        )
        for place, metric in enumerate(metrics)
        for variant in variants
    )


def _excluded(cells: Sequence[ArmCell], metrics: Sequence[Metric], nameless: int) -> tuple[Excluded, ...]:
    found = [Excluded("no_unit", nameless)] if nameless else []
    for cell in cells:
        if cell.fate != "kept":
            found.append(Excluded(cell.fate, cell.units))
            continue
        for place, metric in enumerate(metrics):
            missing = cell.units - int(cell.counted[place])
            if missing:
                found.append(Excluded("missing_number", missing, cell.variant, metric.name))
    return tuple(found)


def document(found: Analysed) -> dict[str, Any]:
    """What ``--json`` prints: comparisons, sample ratio, units, what was left out, segments, verdict."""
    analysis = found.analysis
    reached = found.verdict
    return {
        "method": analysis.plan.method,
        "alpha": analysis.plan.alpha,
        "correction": analysis.plan.correction,
        "comparisons": [_comparison(finding) for finding in analysis.findings],
        "srm": {**json_document({"pvalue": analysis.srm.pvalue}), "alarm": analysis.srm_alarm},
        "units": dict(analysis.units),
        "excluded": [
            {"reason": one.reason, "units": one.units, "variant": one.variant, "metric": one.metric}
            for one in found.excluded
        ],
        "notes": [
            {"metric": metric, "variant": variant, "note": note} for (metric, variant), note in found.notes.items()
        ],
        "segments": [row for one in found.segments for row in _segment_rows(one)],
        "verdict": {
            "decision": reached.kind,
            "reason": reached.reason,
            "variant": reached.variant,
            "sentence": found.sentence("en"),
            "sentence_ko": found.sentence("ko"),
        },
    }


def _comparison(finding: Finding) -> dict[str, Any]:
    compared, believed = finding.comparison, finding.bayesian
    figures = {name: getattr(compared, name) for name in compared._fields if name != "status"}
    return json_document(
        {
            "metric": finding.metric.name,
            "kind": finding.metric.kind,
            "variant": finding.variant,
            "control": finding.control,
            **figures,
            "pvalue_adjusted": finding.pvalue_adjusted,
            "chance_to_win": believed.chance_to_win,
            "expected_loss": believed.expected_loss_treatment,
            "credible_lower": believed.ci_lower,
            "credible_upper": believed.ci_upper,
            "variance_reduction": finding.variance_reduction,
            "status": compared.status,
            "explanation": "" if compared.status == "ok" else status_sentence(compared.status, "en"),
        }
    )


def _segment_rows(one: SegmentedMetric) -> list[dict[str, Any]]:
    heterogeneity = one.report.heterogeneity
    return [
        json_document(
            {
                "metric": one.metric.name,
                "variant": one.variant,
                "segment": row.segment,
                "effect_size": row.comparison.effect_size,
                "rel_effect_size": row.comparison.rel_effect_size,
                "ci_lower": row.comparison.ci_lower,
                "ci_upper": row.comparison.ci_upper,
                "pvalue": row.comparison.pvalue,
                "pvalue_adjusted": row.pvalue_adjusted,
                "control_n": row.comparison.control_n,
                "treatment_n": row.comparison.treatment_n,
                "status": row.comparison.status,
                "heterogeneity_pvalue": heterogeneity.pvalue,
            }
        )
        for row in one.report.segments
    ]
